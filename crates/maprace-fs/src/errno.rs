//! What the kernel would return: model values, not errors of maprace.

use std::fmt;

/// The result of an operation that did not do all it was asked to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Errno {
    /// No space left.
    Enospc,
    /// An argument the operation does not take.
    Einval,
    /// The file system does not do that.
    Eopnotsupp,
    /// The file may not grow so far.
    Efbig,
    /// Memory of the user that could not be read.
    Efault,
    /// A signal, not an errno: an access through a mapping beyond the end of the file.
    Sigbus,
}

impl Errno {
    /// The name a kernel developer knows.
    pub fn name(self) -> &'static str {
        match self {
            Errno::Enospc => "ENOSPC",
            Errno::Einval => "EINVAL",
            Errno::Eopnotsupp => "EOPNOTSUPP",
            Errno::Efbig => "EFBIG",
            Errno::Efault => "EFAULT",
            Errno::Sigbus => "SIGBUS",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
