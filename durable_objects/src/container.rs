//! The parts of `ctx.container` that the `worker` crate lacks or gets wrong: start, `exec`, and the wall around what runs
//! inside (C15).
//!
//! Source: workerd `api/container.h` and developers.cloudflare.com/durable-objects/api/container.

use core::time::Duration;

use futures_util::future::{join_all, try_join, try_join_all, try_join3};
use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise, Reflect};
use multiclaw_core::egress::{EgressPolicy, Network, WALL_PROP};
use multiclaw_core::error::Failure;
use wasm_bindgen::prelude::*;
use worker::web_sys::{ReadableStream, Response as JsResponse};
use worker::{ByteStream, Fetcher, State};

use crate::port::{Outcome, Tried as _, log, read_bounded, within};

/// The port of OpenClaw's gateway inside the container.
pub const GATEWAY_PORT: u16 = 18789;
/// The port of its listener for what Telegram sends.
pub const HOOK_PORT: u16 = 8787;
/// Some ninety entries of a table beside the container.
const WALL_LIMIT: Duration = Duration::from_secs(30);
/// What a command may print and still be listened to.
const MAX_OUTPUT: usize = 64 * 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type JsContainer;
    #[wasm_bindgen(method, getter)]
    fn running(this: &JsContainer) -> bool;
    #[wasm_bindgen(method, catch)]
    fn start(this: &JsContainer, options: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn monitor(this: &JsContainer) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn destroy(this: &JsContainer) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn exec(this: &JsContainer, command: &Array, options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getTcpPort)]
    fn get_tcp_port(this: &JsContainer, port: u16) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = interceptOutboundHttp)]
    fn intercept_http(this: &JsContainer, to: &str, by: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = interceptOutboundHttps)]
    fn intercept_https(this: &JsContainer, to: &str, by: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = Object)]
    type JsProcess;
    #[wasm_bindgen(method, getter)]
    fn stdout(this: &JsProcess) -> Option<ReadableStream>;
    #[wasm_bindgen(method, getter)]
    fn stderr(this: &JsProcess) -> Option<ReadableStream>;
    #[wasm_bindgen(method, getter, js_name = exitCode)]
    fn exit_code(this: &JsProcess) -> Promise;
    #[wasm_bindgen(method, catch)]
    fn kill(this: &JsProcess) -> Result<JsValue, JsValue>;
}

/// What a command reads.
pub enum Stdin {
    Nothing,
    Text(String),
    Stream(ReadableStream),
}

/// The domain's container.
pub struct Container(JsContainer);

/// What answers in the place of a network that containers are kept from: this Worker, told so by a property that no request
/// can have.
pub struct Wall(JsValue);

impl Wall {
    /// # Errors
    /// When the runtime has no `ctx.exports` (compatibility dates before 2025-11-17).
    pub fn of(state: &State) -> Outcome<Self> {
        let exports = Reflect::get(state.as_raw(), &"exports".into()).tried("exports")?;
        let worker = Reflect::get(&exports, &"default".into()).tried("exports")?;
        let worker: Function = worker
            .dyn_into()
            .map_err(|_| Failure::internal("ctx.exports names no default export"))?;
        let (options, props) = (Object::new(), Object::new());
        set(&props, WALL_PROP, &JsValue::TRUE)?;
        set(&options, "props", &props)?;
        // Its own `call` would be a call to the Worker: every name is one.
        let made = Reflect::apply(&worker, &JsValue::UNDEFINED, &Array::of1(&options));
        made.tried("the wall around containers").map(Self)
    }
}

/// A command that ended.
pub struct Ended {
    name: String,
    pub code: i32,
    pub stdout: String,
    stderr: String,
}

/// A command under way. Dropping it while its output is still read can cut the output short without an error: keep it
/// until [`Process::finish`].
pub struct Process {
    js: JsProcess,
    name: String,
}

impl Container {
    /// # Errors
    /// When the object has no container (the binding's class has none configured).
    pub fn of(state: &State) -> Outcome<Self> {
        let container = state.container().ok_or_else(|| {
            Failure::misconfigured(
                "the class Agent has no container: see [[containers]] in wrangler.toml",
            )
        })?;
        Ok(Self(JsValue::from(container).unchecked_into()))
    }

    pub fn running(&self) -> bool {
        self.0.running()
    }

    /// Starts it behind the wall; that it listens is another matter.
    ///
    /// # Errors
    /// Also when the wall does not stand: without it nothing starts.
    pub async fn start(
        &self,
        entrypoint: &[&str],
        egress: &EgressPolicy,
        wall: &Wall,
    ) -> Outcome<()> {
        let built = self.keep_from(egress.denied(), wall);
        within(WALL_LIMIT, "container intercept", built).await?;
        let options = Object::new();
        set(&options, "entrypoint", &strings(entrypoint))?;
        set(&options, "enableInternet", &JsValue::TRUE)?;
        self.0.start(&options).tried("container start")
    }

    async fn keep_from(&self, networks: &[Network], wall: &Wall) -> Outcome<()> {
        let documented = networks.iter().map(Network::to_string);
        try_join_all(documented.map(|to| self.divert(to, wall))).await?;
        // That is for the ports of HTTP and HTTPS. The runtime's own protocol has a form for all of them, which nobody promises.
        let beyond = networks.iter().map(Network::on_all_ports);
        let tried = join_all(beyond.map(|to| self.divert(to, wall))).await;
        if let Some(failure) = tried.into_iter().find_map(Result::err) {
            log(&failure);
        }
        Ok(())
    }

    /// Has the wall answer what the container sends there, be it plain or not.
    async fn divert(&self, to: String, wall: &Wall) -> Outcome<()> {
        let plain = self.0.intercept_http(&to, &wall.0);
        let secure = self.0.intercept_https(&to, &wall.0);
        for promise in [plain, secure] {
            let promise = promise.tried("container intercept")?;
            JsFuture::from(promise).await.tried("container intercept")?;
        }
        Ok(())
    }

    /// Resolves when it has ended, however it did.
    pub fn monitor(&self) -> Outcome<impl Future<Output = ()> + 'static> {
        let promise = self.0.monitor().tried("container monitor")?;
        Ok(async move {
            let _ = JsFuture::from(promise).await;
        })
    }

    /// Ends it and all it holds. Nothing happens when it does not run.
    pub async fn destroy(&self) -> Outcome<()> {
        if !self.running() {
            return Ok(());
        }
        let promise = self.0.destroy().tried("container destroy")?;
        within(Duration::from_secs(30), "container destroy", async {
            JsFuture::from(promise)
                .await
                .tried("container destroy")
                .map(drop)
        })
        .await
    }

    /// A way to reach a port inside.
    pub fn port(&self, port: u16) -> Outcome<Fetcher> {
        let fetcher = self.0.get_tcp_port(port).tried("container port")?;
        Ok(fetcher.unchecked_into())
    }

    /// Starts a command as the agent's user.
    pub async fn exec(&self, command: &[&str], stdin: Stdin) -> Outcome<Process> {
        let options = Object::new();
        set(&options, "user", &"agent".into())?;
        set(&options, "stdout", &"pipe".into())?;
        set(&options, "stderr", &"pipe".into())?;
        match stdin {
            Stdin::Nothing => {}
            Stdin::Stream(stream) => set(&options, "stdin", &stream)?,
            Stdin::Text(text) => {
                let body = JsResponse::new_with_opt_str(Some(&text))
                    .tried("standard input")?
                    .body();
                set(&options, "stdin", &body.into())?;
            }
        }
        let promise = self
            .0
            .exec(&strings(command), &options)
            .tried("container exec")?;
        let process = within(Duration::from_secs(30), "container exec", async {
            JsFuture::from(promise).await.tried("container exec")
        })
        .await?;
        Ok(Process {
            js: process.unchecked_into(),
            name: command.get(1).copied().unwrap_or_default().to_owned(),
        })
    }

    /// Runs a command to its end and gives what it printed; a failure's context is the reason it printed.
    pub async fn run(&self, command: &[&str], stdin: Stdin, limit: Duration) -> Outcome<String> {
        let ended = self.run_to_end(command, stdin, limit).await?;
        match ended.code {
            0 => Ok(ended.stdout),
            _ => Err(ended.failure()),
        }
    }

    /// As [`Container::run`], where the caller tells exit codes apart.
    pub async fn run_to_end(
        &self,
        command: &[&str],
        stdin: Stdin,
        limit: Duration,
    ) -> Outcome<Ended> {
        let process = self.exec(command, stdin).await?;
        let done = within(limit, &process.name, process.output()).await;
        if done.is_err() {
            process.kill();
        }
        done
    }
}

impl Ended {
    /// The failure that this end is, with the reason that the command printed.
    pub fn failure(&self) -> Failure {
        let Self {
            name, code, stderr, ..
        } = self;
        let reason: String = stderr
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        Failure::internal(format!(
            "`{name}` in the container ended with {code}: {reason}"
        ))
    }
}

impl Process {
    /// What it prints, as the runtime's stream.
    pub fn take_stdout(&self) -> Outcome<ReadableStream> {
        self.js
            .stdout()
            .ok_or_else(|| Failure::internal("the command has no standard output"))
    }

    /// How it ended, where somebody else reads its standard output at the same time. Both come over one connection: one
    /// byte of standard error that nobody reads would hold up all that is printed after it.
    pub async fn finish(&self) -> Outcome<Ended> {
        let (code, stderr) = try_join(self.exit_code(), read(self.js.stderr())).await?;
        Ok(self.ended(code, String::new(), stderr))
    }

    pub fn kill(&self) {
        // It may have ended by itself.
        let _ = self.js.kill();
    }

    async fn output(&self) -> Outcome<Ended> {
        let (stdout, stderr) = (read(self.js.stdout()), read(self.js.stderr()));
        let (code, stdout, stderr) = try_join3(self.exit_code(), stdout, stderr).await?;
        Ok(self.ended(code, stdout, stderr))
    }

    fn ended(&self, code: i32, stdout: String, stderr: String) -> Ended {
        Ended {
            name: self.name.clone(),
            code,
            stdout,
            stderr,
        }
    }

    async fn exit_code(&self) -> Outcome<i32> {
        let code = JsFuture::from(self.js.exit_code())
            .await
            .tried("exit code")?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "`as` saturates; codes are 0 to 255"
        )]
        Ok(code.as_f64().map_or(-1, |code| code as i32))
    }
}

async fn read(stream: Option<ReadableStream>) -> Outcome<String> {
    let Some(stream) = stream else {
        return Ok(String::new());
    };
    let bytes = read_bounded(ByteStream::from(stream), MAX_OUTPUT, "command output").await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn set(object: &Object, name: &str, value: &JsValue) -> Outcome<()> {
    Reflect::set(object, &name.into(), value)
        .tried("container options")
        .map(drop)
}

fn strings(parts: &[&str]) -> Array {
    parts.iter().map(|part| JsValue::from_str(part)).collect()
}
