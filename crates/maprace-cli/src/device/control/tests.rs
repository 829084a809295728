//! Both ends of a socket, and an end that does not know how to behave.

use super::*;
use crate::device::spec::Medium;
use std::path::PathBuf;

struct Parrot;

impl Answers for Parrot {
    fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Stats => Reply::Stats(Box::default()),
            Request::Set { medium, .. } => Reply::Medium(medium),
            Request::Faults => Reply::Faults { faults: FaultList::default(), released: 0 },
            other => Reply::Refused(format!("{other:?}")),
        }
    }
}

fn served() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("0.sock");
    serve(&socket, Arc::new(Parrot)).unwrap();
    (dir, socket)
}

/// What a daemon answers to these bytes; empty: it hung up.
fn answer(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    // It may hang up before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn what_is_asked_is_answered() {
    let (_dir, socket) = served();
    assert_eq!(ask(&socket, &Request::Stats).unwrap(), Reply::Stats(Box::default()));
    // A profile is many lines, and one line here.
    let medium = Box::new(Medium::open("nvme-tlc-dc", Some(3)).unwrap());
    let set = Request::Set { medium: medium.clone(), command: "a\nb".into() };
    assert_eq!(ask(&socket, &set).unwrap(), Reply::Medium(medium));
    let range = Range { from: 1, end: 2 };
    let fault = FaultSpec { on: AskedArg::Write, range, chance: 0.25, until_written: true };
    let refused = ask(&socket, &Request::Fault(fault)).unwrap_err().to_string();
    assert!(refused.contains("chance: 0.25"), "{refused}");
}

#[test]
fn nonsense_is_refused_and_halves_are_dropped() {
    let (_dir, socket) = served();
    for nonsense in [&b"x\n"[..], b"\n", b"\"stat\"\n", b"{\"stick\":{\"from\":-1,\"end\":2}}\n"] {
        let told = answer(&socket, nonsense);
        assert!(told.contains("does not understand what it was asked"), "{told}");
    }
    for half in [&b""[..], b"\"stats\"", b"\xff\xff\n"] {
        assert_eq!(answer(&socket, half), "");
    }
    let deep = [vec![b'['; 1 << 20], b"\n".to_vec()].concat();
    answer(&socket, &deep);
    let long = vec![b' '; usize::try_from(LINE_MAX).unwrap() + 2];
    assert_eq!(answer(&socket, &long), "");
    ask(&socket, &Request::Faults).unwrap();
}

#[test]
fn a_daemon_that_is_not_there_or_of_another_kind_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("0.sock");
    let told = |socket: &Path| ask(socket, &Request::Stats).unwrap_err().to_string();
    assert!(told(&socket).contains("does not answer"), "{}", told(&socket));
    for reply in ["", "half", "{\"other\":1}\n"] {
        let socket = dir.path().join(format!("{}.sock", reply.len()));
        let listener = UnixListener::bind(&socket).unwrap();
        let other = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = String::new();
            BufReader::new(&stream).read_line(&mut question).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
        });
        assert!(told(&socket).contains("does not answer ("), "{reply}");
        other.unwrap().join().unwrap();
    }
}
