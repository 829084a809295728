//! One operation of a task: `OP [RANGE] [fail@BLOCK]`, `truncate SIZE`, or a bare word.

use crate::range::{BlockRange, ByteRange, Range, RangeError};
use crate::suggest::{Known, Quoted};
use std::fmt;
use std::str::FromStr;

macro_rules! op_kind {
    (
        [$inode:ident $request:ident $user:ident]
        ranged { $($(#[$rdoc:meta])* $ranged:ident $rname:literal $rio:ident $rhead:literal => $rrun:expr;)+ }
        sized { $(#[$sdoc:meta])* $sized:ident $sname:literal $sio:ident $shead:literal => $srun:expr; }
        bare { $($(#[$bdoc:meta])* $bare:ident $bname:literal $bio:ident $bhead:literal => $brun:expr;)+ }
    ) => {
        /// What an operation does; the names are those of the scenario file. Made from the table of
        /// the model, so that a scenario can name every operation there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OpKind {
            $($(#[$rdoc])* $ranged,)+
            $(#[$sdoc])*
            $sized {
                /// The size in bytes.
                size: u64,
            },
            $($(#[$bdoc])* $bare,)+
        }

        impl OpKind {
            /// Every kind, in the order of the documentation; `truncate` with size 0.
            pub const ALL: &'static [OpKind] =
                &[$(OpKind::$ranged,)+ OpKind::$sized { size: 0 }, $(OpKind::$bare,)+];

            /// The name in a scenario file.
            pub fn name(&self) -> &'static str {
                match self {
                    $(OpKind::$ranged => $rname,)+
                    OpKind::$sized { .. } => $sname,
                    $(OpKind::$bare => $bname,)+
                }
            }

            /// Whether the operation works on a range, given or the whole file.
            pub fn takes_range(&self) -> bool {
                matches!(self, $(OpKind::$ranged)|+)
            }

            /// What it is in the model.
            pub(crate) fn of_model(&self) -> maprace_fs::Op {
                match self {
                    $(OpKind::$ranged => maprace_fs::Op::$ranged,)+
                    OpKind::$sized { .. } => maprace_fs::Op::$sized,
                    $(OpKind::$bare => maprace_fs::Op::$bare,)+
                }
            }
        }
    };
}

maprace_fs::operations!(op_kind);

/// One operation, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// Where; `None` is the whole file as long as it is when the operation runs. Always `None` for
    /// the kinds that take no range.
    pub range: Option<Range>,
    /// The block whose copy fails, counted from the start of the file. Only a `write` has one.
    pub fail_at: Option<u64>,
}

impl Op {
    /// The bytes it works on, in a file system whose blocks have `block` bytes; `None` is the whole
    /// file, or no range at all where the kind takes none.
    pub fn bytes(&self, block: u64) -> Option<ByteRange> {
        self.range.map(|range| range.bytes(block))
    }

    /// The blocks it touches, whole or in part; `None` as for [`Op::bytes`].
    pub fn blocks(&self, block: u64) -> Option<BlockRange> {
        self.range.map(|range| range.blocks(block))
    }

    fn bare(kind: OpKind) -> Op {
        Op { kind, range: None, fail_at: None }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let OpKind::Truncate { size } = self.kind {
            write!(f, " {size}")?;
        }
        if let Some(range) = self.range {
            write!(f, " {range}")?;
        }
        match self.fail_at {
            Some(block) => write!(f, " fail@{block}"),
            None => Ok(()),
        }
    }
}

/// A word of the text and the byte it starts at.
#[derive(Clone, Copy)]
struct Word<'t> {
    at: usize,
    text: &'t str,
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let space = |c: char| c.is_ascii_whitespace();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text[from..].find(|c| !space(c))?;
        from = text[at..].find(space).map_or(text.len(), |len| at + len);
        Some(Word { at, text: &text[at..from] })
    })
}

impl FromStr for Op {
    type Err = OpError;

    fn from_str(text: &str) -> Result<Op, OpError> {
        let mut words = words(text);
        let name = words.next().ok_or(OpError { offset: 0, kind: OpErrorKind::Missing })?;
        let kind = OpKind::ALL.iter().copied().find(|kind| kind.name() == name.text);
        let kind = kind.ok_or_else(|| OpError {
            offset: name.at,
            kind: OpErrorKind::Unknown { typed: name.text.to_owned() },
        })?;
        let op = match kind {
            OpKind::Truncate { .. } => truncate(name, &mut words)?,
            kind if kind.takes_range() => ranged(kind, &mut words)?,
            kind => Op::bare(kind),
        };
        match words.next() {
            None => Ok(op),
            Some(word) => {
                let typed = word.text.to_owned();
                Err(OpError { offset: word.at, kind: OpErrorKind::TooMuch { op: kind, typed } })
            }
        }
    }
}

/// `truncate SIZE`.
fn truncate<'t>(name: Word<'t>, words: &mut impl Iterator<Item = Word<'t>>) -> Result<Op, OpError> {
    let size = words.next().unwrap_or(Word { at: name.at, text: "" });
    match number(size.text) {
        Some(bytes) => Ok(Op::bare(OpKind::Truncate { size: bytes })),
        None => {
            let typed = size.text.to_owned();
            Err(OpError { offset: size.at, kind: OpErrorKind::Size { typed } })
        }
    }
}

/// `[RANGE] [fail@BLOCK]`.
fn ranged<'t>(kind: OpKind, words: &mut impl Iterator<Item = Word<'t>>) -> Result<Op, OpError> {
    let mut op = Op::bare(kind);
    let Some(mut word) = words.next() else { return Ok(op) };
    if !word.text.starts_with("fail@") {
        let range = word.text.parse();
        op.range =
            Some(range.map_err(|e| OpError { offset: word.at, kind: OpErrorKind::Range(e) })?);
        match words.next() {
            None => return Ok(op),
            Some(next) => word = next,
        }
    }
    let error = |kind| OpError { offset: word.at, kind };
    let typed = || word.text.to_owned();
    let Some(block) = word.text.strip_prefix("fail@") else {
        return Err(error(OpErrorKind::TooMuch { op: kind, typed: typed() }));
    };
    let block = number(block).ok_or_else(|| error(OpErrorKind::FailAt { typed: typed() }))?;
    if kind != OpKind::Write {
        return Err(error(OpErrorKind::NothingCopied { op: kind }));
    }
    op.fail_at = Some(block);
    Ok(op)
}

/// A number of decimal digits alone.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Why a text is not an operation; one line, without the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct OpError {
    offset: usize,
    kind: OpErrorKind,
}

impl OpError {
    /// The byte of the text at which the bad word starts.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong.
    pub fn kind(&self) -> &OpErrorKind {
        &self.kind
    }
}

impl From<OpErrorKind> for OpError {
    /// The whole operation is meant.
    fn from(kind: OpErrorKind) -> OpError {
        OpError { offset: 0, kind }
    }
}

/// What is wrong with an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpErrorKind {
    /// Nothing but spaces.
    #[error("the operation is empty: write OP [RANGE] [fail@BLOCK]")]
    Missing,
    /// No operation has that name.
    #[error("unknown operation {}{}", Quoted(typed), Known { typed, known: &op_names() })]
    Unknown {
        /// What was typed.
        typed: String,
    },
    /// The range is not one.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// `truncate` without a size in bytes.
    #[error("`truncate` needs a size in bytes, found {}", NothingOr(typed))]
    Size {
        /// What was typed; may be empty.
        typed: String,
    },
    /// `truncate` to more than a file may have.
    #[error("`truncate` to {size} bytes goes past {max} bytes, the limit of such blocks")]
    SizeTooLarge {
        /// The size in bytes.
        size: u64,
        /// The largest one.
        max: u64,
    },
    /// `fail@` without a block.
    #[error("{} must be fail@ and the number of a block", Quoted(typed))]
    FailAt {
        /// What was typed.
        typed: String,
    },
    /// `fail@` on an operation that copies nothing from the user.
    #[error("`{}` copies nothing from the user: fail@BLOCK belongs to `write`", op.name())]
    NothingCopied {
        /// The operation.
        op: OpKind,
    },
    /// `fail@` names a block that the operation does not write.
    #[error("fail@{block} lies outside what `{op}` writes")]
    FailOutside {
        /// The operation, without its `fail@`.
        op: Op,
        /// The block.
        block: u64,
    },
    /// A word more than the operation takes.
    #[error("`{}` takes {}, found {}", op.name(), shape(op), Quoted(typed))]
    TooMuch {
        /// The operation.
        op: OpKind,
        /// The word.
        typed: String,
    },
}

/// What follows the name of an operation, in words.
fn shape(op: &OpKind) -> &'static str {
    match op {
        OpKind::Truncate { .. } => "one size in bytes",
        OpKind::Write => "at most one range and one fail@BLOCK",
        op if op.takes_range() => "at most one range",
        _ => "nothing more",
    }
}

/// The word between backticks, or the word nothing.
struct NothingOr<'a>(&'a str);

impl fmt::Display for NothingOr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nothing") } else { Quoted(self.0).fmt(f) }
    }
}

fn op_names() -> Vec<String> {
    OpKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, want: &str) {
        assert_eq!(text.parse::<Op>().unwrap_err().to_string(), want, "{text:?}");
    }

    #[test]
    fn an_operation_is_read_as_typed() {
        let op: Op = "write 0..2 fail@1".parse().unwrap();
        let range = Some(Range::Blocks(BlockRange { start: 0, end: 2 }));
        assert_eq!(op, Op { kind: OpKind::Write, range, fail_at: Some(1) });
        assert_eq!(op.bytes(4096), Some(ByteRange { pos: 0, len: 8192 }));
        assert_eq!(op.blocks(4096), Some(BlockRange { start: 0, end: 2 }));
        let whole: Op = "  punch_hole\t".parse().unwrap();
        assert_eq!((whole.kind, whole.bytes(4096)), (OpKind::PunchHole, None));
        assert_eq!("write fail@0".parse::<Op>().unwrap().to_string(), "write fail@0");
        assert_eq!("truncate 0512".parse::<Op>().unwrap().to_string(), "truncate 512");
    }

    #[test]
    fn a_bad_operation_says_what_is_wrong_with_it() {
        check(
            "fallocat 0..2",
            "unknown operation `fallocat`: known are write, read, mmap_write, mmap_read, dio_write, \
             fallocate, zero_range, punch_hole, collapse_range, insert_range, writeback, reclaim, \
             shrink_es, fiemap, truncate, fsync, commit, evict; did you mean `fallocate`?",
        );
        check(" ", "the operation is empty: write OP [RANGE] [fail@BLOCK]");
        check("write 0", "`0` is not a range: write a..b in blocks or len@pos in bytes");
        check("fsync 0..1", "`fsync` takes nothing more, found `0..1`");
        check("read 0..1 1..2", "`read` takes at most one range, found `1..2`");
        check(
            "write 0..1 fail@0 x",
            "`write` takes at most one range and one fail@BLOCK, found `x`",
        );
        check("truncate", "`truncate` needs a size in bytes, found nothing");
        check("truncate 0..1", "`truncate` needs a size in bytes, found `0..1`");
        check("truncate 1 2", "`truncate` takes one size in bytes, found `2`");
        check("write fail@x", "`fail@x` must be fail@ and the number of a block");
        check(
            "fallocate 0..1 fail@0",
            "`fallocate` copies nothing from the user: fail@BLOCK belongs to `write`",
        );
    }

    #[test]
    fn the_offset_points_at_the_bad_word() {
        let offset = |text: &str| text.parse::<Op>().unwrap_err().offset();
        assert_eq!(offset("fallocat 0..2"), 0);
        assert_eq!(offset("write  0..x"), 7);
        assert_eq!(offset("write 0..1 fail@"), 11);
        assert_eq!(offset("fsync now"), 6);
    }

    /// Every operation that parsing can give.
    pub(crate) fn any_op() -> impl Strategy<Value = Op> {
        let blocks = (0_u64..65_535, 1_u64..100).prop_map(|(start, len)| {
            Range::Blocks(BlockRange { start, end: (start + len).min(65_536) })
        });
        let bytes = (0_u64..1 << 40, 1_u64..1 << 20)
            .prop_map(|(pos, len)| Range::Bytes(ByteRange { pos, len }));
        let range = proptest::option::of(prop_oneof![blocks, bytes]);
        let fail_at = proptest::option::of(any::<u64>());
        (0..OpKind::ALL.len(), any::<u64>(), range, fail_at).prop_map(
            |(kind, size, range, fail_at)| match OpKind::ALL[kind] {
                OpKind::Truncate { .. } => Op::bare(OpKind::Truncate { size }),
                OpKind::Write => Op { kind: OpKind::Write, range, fail_at },
                kind if kind.takes_range() => Op { kind, range, fail_at: None },
                kind => Op::bare(kind),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(op in any_op()) {
            prop_assert_eq!(op.to_string().parse::<Op>(), Ok(op));
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,60}") {
            match text.parse::<Op>() {
                Ok(op) => prop_assert_eq!(op.to_string().parse::<Op>(), Ok(op)),
                Err(error) => {
                    prop_assert!(error.offset() <= text.len());
                    prop_assert!(!error.to_string().contains('\n'));
                }
            }
        }

        #[test]
        fn no_words_are_too_strange(
            text in "(write|truncate|fsync|evict)( [0-9]{0,21}(\\.\\.|@)?[0-9]{0,21}){0,2}( fail@[0-9]{0,3})?"
        ) {
            if let Ok(op) = text.parse::<Op>() {
                prop_assert_eq!(op.to_string().parse::<Op>(), Ok(op));
            }
        }
    }
}
