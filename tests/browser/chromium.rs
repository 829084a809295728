//! A tab of a headless Chromium, driven by its own protocol over two pipes.
//!
//! No port, no web socket, no driver to download: `--remote-debugging-pipe` speaks JSON, with a zero
//! byte after each message, on descriptors 3 and 4, which a shell makes of our two ends. Only what the
//! tests need is here. A browser that hangs is ended by `timeout`, and the read from it fails.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// What a Chromium may be called.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// For how long a test may drive it, in seconds.
const SECONDS_MAX: &str = "180";

/// Starts `$0` with the rest: our input becomes its descriptor 3, our output its descriptor 4.
const PIPES: &str = r#"exec timeout -k 5 "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#;

/// One page in a browser of its own.
#[derive(Debug)]
pub(crate) struct Tab {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    asked: u64,
    events: VecDeque<Value>,
    complaints: Vec<Value>,
    requests: Vec<String>,
}

fn program() -> &'static str {
    let runs = |name: &&&str| {
        let mut tried = Command::new(name);
        tried.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    NAMES.iter().find(runs).expect("a Chromium is installed: this binary is run where there is one")
}

impl Tab {
    /// Opens a file in a new browser, with a profile of its own.
    pub(crate) fn open(dir: &TempDir, page: &Path) -> Tab {
        let profile = format!("--user-data-dir={}", dir.path().join("profile").display());
        let mut child = Command::new("sh")
            .args(["-c", PIPES, SECONDS_MAX, program(), "--remote-debugging-pipe", "--headless"])
            .args(["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,900", &profile])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut tab = Tab {
            child,
            to: to.expect("it is piped"),
            from: BufReader::new(from.expect("it is piped")),
            session: None,
            asked: 0,
            events: VecDeque::new(),
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = tab.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = tab.ask("Target.attachToTarget", attach);
        tab.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.ask(&format!("{domain}.enable"), json!({}));
        }
        tab.ask("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        tab.wait_for("Page.loadEventFired");
        tab
    }

    /// Sends a command and returns its answer; what happens meanwhile is kept.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = write!(self.to, "{message}\0").and_then(|()| self.to.flush());
        sent.expect("the browser listens");
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(message);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).expect("the pipe can be read");
        assert_eq!(bytes.pop(), Some(0), "the browser ended, or was ended after {SECONDS_MAX} s");
        serde_json::from_slice(&bytes).expect("the browser speaks JSON")
    }

    /// Sorts out what the browser tells of itself.
    fn note(&mut self, event: Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                // The empty icon is in the page itself.
                if !url.starts_with("data:") {
                    self.requests.push(url.to_owned());
                }
            }
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => self.complaints.push(event),
            Some("Runtime.consoleAPICalled") if parameters["type"] != "log" => {
                self.complaints.push(event);
            }
            _ => self.events.push_back(event),
        }
    }

    fn wait_for(&mut self, method: &str) {
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["method"] == method {
                    return;
                }
            }
            let message = self.read();
            self.note(message);
        }
    }

    /// The value of an expression, a promise's when it is kept.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", ask);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Lets the page do what it has put off, and draw.
    pub(crate) fn settle(&mut self) {
        self.eval(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(() => done(1)), 20))",
        );
    }

    /// The text of the first element that a selector finds.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).textContent", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("nothing at {selector}")).to_owned()
    }

    /// Clicks the middle of the first element that a selector finds, as a mouse does.
    pub(crate) fn click(&mut self, selector: &str) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{ block: 'center', \
             behavior: 'instant' }}); const r = e.getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1
            });
            self.ask("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses a key that has a name, such as `ArrowLeft`.
    pub(crate) fn key(&mut self, key: &str) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.ask("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key }));
        }
    }

    /// Errors and warnings so far.
    pub(crate) fn complaints(&mut self) -> Vec<Value> {
        self.settle();
        self.complaints.clone()
    }

    /// The addresses of all requests so far, data in the page left out.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.settle();
        self.requests.clone()
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let message = json!({ "id": self.asked + 1, "method": "Browser.close" });
        // Where it has ended already there is nobody to tell.
        let _ = write!(self.to, "{message}\0").and_then(|()| self.to.flush());
        let _ = self.child.wait();
    }
}
