//! Has the agent answer what came by channels that end here, and posts its answers. Each is asked and posted beside the
//! driver, which only begins it: an agent may think for minutes. What is under way lies in memory, what was done in SQLite
//! (`multiclaw_core::turn`).

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::BTreeSet;
use std::rc::Rc;

use multiclaw_core::discord::message;
use multiclaw_core::edge::{EdgeChannel, Told};
use multiclaw_core::error::Failure;
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::retry_at;
use multiclaw_core::lifecycle::{Life, State, Wish};
use multiclaw_core::proxy::probe_headers;
use multiclaw_core::secret::Secret;
use multiclaw_core::slack::{escaped, is_of_token};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::{Seconds, Timestamp};
use multiclaw_core::turn::{
    Heard, MAX_AT_ONCE, MAX_REPLY, PATH, Place, Progress, SCOPES, SEALED_AS, SORRY, Stage, heard,
    is_hopeless, kept, parts, question,
};
use serde_json::json;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{AbortController, Request as JsRequest, RequestInit as JsRequestInit};
use worker::{Fetcher, Headers, Method, Request, ScheduledTime, Storage};

use crate::Agent;
use crate::container::{Container, GATEWAY_PORT};
use crate::discord_api;
use crate::driver::{RETRY_AFTER_FAILURE, Term};
use crate::health::is_of_ended;
use crate::port::{Outcome, Tried as _, log, now, read_bounded, within};
use crate::sealed::OwnSecret;
use crate::settings;
use crate::slack_api;
use crate::store::{Store, Turn};
use crate::watch::Care;

/// Until what is under way is looked after.
const LOOK_AFTER: Seconds = Seconds::new(60);
/// For one answer, which may take many calls of models and tools.
const LIMIT: Seconds = Seconds::new(600);
const NOT_ASKED: &str =
    "The agent does not take messages yet. They are kept for a day, and tried again.";
const NOT_ANSWERED: &str = "The agent failed to answer. Look at its log.";
const NOT_KNOWN: &str = "It is not known whether an answer was posted. It was not posted again.";
const TOO_LATE: &str =
    "An answer came too late for Discord, which takes them for 15 minutes, or was not taken.";
const NO_TOKEN: &str = "The token can't be opened any more. Set it again.";

/// What is under way.
#[derive(Default)]
pub struct Turns {
    busy: RefCell<BTreeSet<String>>,
    /// How many of them the agent thinks about.
    asked: Cell<usize>,
    /// Nothing is begun before.
    not_before: Cell<Option<Timestamp>>,
}

impl Turns {
    pub fn has_asked(&self) -> bool {
        self.asked.get() > 0
    }

    /// What is under way ends with this object: another one would have to be called to look after it.
    pub fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let is_any = !self.busy.borrow().is_empty();
        is_any.then(|| now.saturating_add(LOOK_AFTER))
    }
}

/// A conversation that is worked on, until it is dropped.
struct Busy {
    turns: Rc<Turns>,
    conversation: String,
    is_asked: bool,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.turns.busy.borrow_mut().remove(&self.conversation);
        if self.is_asked {
            let asked = &self.turns.asked;
            asked.set(asked.get().saturating_sub(1));
        }
    }
}

impl Agent {
    /// When the first of what waits calls an agent that sleeps.
    pub(crate) fn turns_call(&self, owner: Wallet, life: &Life) -> Outcome<Option<Timestamp>> {
        if life.state != State::Asleep {
            return Ok(None);
        }
        let heads = self.store.heads(owner)?;
        let waiting = heads.iter().filter(|head| head.stage() == Stage::Waiting);
        Ok(waiting.map(|head| head.retry_at()).min())
    }

    /// When something is to be begun next, as the agent is now; `None` also where as much as may be is under way.
    pub(crate) fn turns_due(&self, owner: Wallet, life: &Life) -> Outcome<Option<Timestamp>> {
        let busy = self.turns.busy.borrow();
        if busy.len() >= MAX_AT_ONCE {
            return Ok(None);
        }
        let listens = listens(life);
        let heads = self.store.heads(owner)?;
        let due = heads
            .iter()
            .filter(|head| listens || head.stage() == Stage::Answered)
            .filter(|head| !busy.contains(&head.conversation))
            .map(|head| head.retry_at())
            .min();
        Ok(due.map(|due| due.max(self.turns.not_before.get().unwrap_or(due))))
    }

    /// Begins what is due.
    pub(crate) async fn begin_turns(&self, container: &Container, term: &Term) -> Outcome<()> {
        // What was written to an owner is not for the next one's agent, nor its answer for whoever wrote.
        if let Err(failure) = self.owner(term.domain.clone(), Care::Bounded).await {
            self.log(&failure);
            let until = now().saturating_add(RETRY_AFTER_FAILURE);
            self.turns.not_before.set(Some(until));
            return Ok(());
        }
        let life = self.life()?;
        if life.tenure != term.tenure {
            return Ok(());
        }
        for head in self.store.heads(term.domain.owner)? {
            let is_due = head.retry_at() <= now();
            let may_begin = listens(&life) || head.stage() == Stage::Answered;
            let busy = self.turns.busy.borrow();
            if busy.len() >= MAX_AT_ONCE {
                break;
            }
            let is_busy = busy.contains(&head.conversation);
            drop(busy);
            if is_due
                && may_begin
                && !is_busy
                && let Err(failure) = self.begin_turn(container, term, head.number)
            {
                self.log(&failure);
                let until = now().saturating_add(RETRY_AFTER_FAILURE);
                self.store.put_turn_off(head.number, until)?;
            }
        }
        Ok(())
    }

    fn begin_turn(&self, container: &Container, term: &Term, number: i64) -> Outcome<()> {
        let Some(turn) = self.store.turn(number)? else {
            return Ok(());
        };
        if turn.stage() == Stage::Waiting && is_hopeless(turn.attempts, false) {
            return self.store.answer(number, SORRY, now());
        }
        let place = turn.place()?;
        let tries = turn.attempts.saturating_add(1);
        self.store.begin_try(number, retry_at(tries, now()))?;
        let tenant = Tenant {
            asset: term.domain.asset,
            owner: term.domain.owner,
        };
        let hosts = settings::hosts(&self.env)?;
        let work = Work {
            store: self.store.clone(),
            storage: self.state.storage(),
            owner: tenant.owner,
            tenure: term.tenure,
            tries,
            place,
            base: match turn.channel {
                EdgeChannel::Slack => hosts.slack_api().to_owned(),
                EdgeChannel::Discord => hosts.discord_api().to_owned(),
            },
        };
        if work.place.is_over(now()) {
            return work.give_up(&turn);
        }
        if turn.stage() == Stage::Waiting {
            let port = container.port(GATEWAY_PORT)?;
            let busy = self.turns.take(&self.turns, &turn.conversation, true);
            self.state.wait_until(async move {
                let asked = ask(port, &work, &turn).await;
                work.end(busy, work.hear(&turn, asked)).await;
            });
            return Ok(());
        }
        let Some(token) = self.token_for(&tenant, &work.place)? else {
            return work.put_off(&turn, NO_TOKEN, None);
        };
        let busy = self.turns.take(&self.turns, &turn.conversation, false);
        self.state.wait_until(async move {
            let posted = work.post(&turn, &token).await;
            work.end(busy, posted).await;
        });
        Ok(())
    }

    /// What an answer is posted with: the bot's token, or the interaction's own.
    fn token_for(&self, tenant: &Tenant, place: &Place) -> Outcome<Option<Secret>> {
        match place {
            Place::Slack { .. } => {
                let name = EdgeChannel::Slack.token().as_str();
                Ok(match self.own_sealed(tenant, name)? {
                    OwnSecret::Value(token) => Some(token),
                    OwnSecret::Nothing | OwnSecret::Unreadable => None,
                })
            }
            Place::Discord { token, .. } => self.open_value(tenant, SEALED_AS, token),
        }
    }
}

impl Turns {
    fn take(&self, shared: &Rc<Self>, conversation: &str, is_asked: bool) -> Busy {
        self.busy.borrow_mut().insert(conversation.to_owned());
        if is_asked {
            self.asked.set(self.asked.get().saturating_add(1));
        }
        Busy {
            turns: shared.clone(),
            conversation: conversation.to_owned(),
            is_asked,
        }
    }
}

const fn listens(life: &Life) -> bool {
    matches!((life.state, life.wish), (State::Running, Wish::Run))
}

/// One try to have a message answered, or its answer posted.
struct Work {
    store: Store,
    storage: Storage,
    owner: Wallet,
    tenure: u32,
    tries: u32,
    place: Place,
    base: String,
}

async fn ask(port: Fetcher, work: &Work, turn: &Turn) -> Outcome<Heard> {
    let headers = Headers::new();
    for (name, value) in probe_headers(work.owner) {
        headers.set(&name, &value).tried("question")?;
    }
    for (name, value) in [("content-type", "application/json"), SCOPES] {
        headers.set(name, value).tried("question")?;
    }
    let init = JsRequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers.0);
    let question = question(&work.place, &turn.conversation, &turn.text);
    init.set_body(&JsValue::from_str(&question));
    let controller = AbortController::new().tried("abort controller")?;
    init.set_signal(Some(&controller.signal()));
    let url = format!("http://agent{PATH}");
    let request = JsRequest::new_with_str_and_init(&url, &init).tried("question")?;
    let limit = Duration::from_secs(LIMIT.get().into());
    let answer = within(limit, "the agent's answer", async {
        let mut answer = port
            .fetch_request(Request::from(request))
            .await
            .tried("the agent's answer")?;
        if is_of_ended(&answer) {
            return Err(Failure::internal("the agent has ended"));
        }
        let status = answer.status_code();
        let body = answer.stream().tried("the agent's answer")?;
        match read_bounded(body, MAX_REPLY, "the agent's answer").await {
            Ok(body) => Ok(heard(status, &String::from_utf8_lossy(&body))),
            Err(failure) => {
                log(&failure);
                Ok(Heard::Failed)
            }
        }
    });
    let began = now();
    let answer = answer.await;
    if answer.is_err() {
        // A gateway that is left goes on with nothing.
        controller.abort();
    }
    match answer {
        Err(failure) if began.saturating_add(LIMIT) <= now() => {
            log(&failure);
            Ok(Heard::TooMuch)
        }
        answer => answer,
    }
}

impl Work {
    /// Writes down what came of asking.
    fn hear(&self, turn: &Turn, asked: Outcome<Heard>) -> Outcome<()> {
        match asked {
            Ok(Heard::Answer(answer)) => {
                let answer = kept(&answer, self.place.longest_post());
                self.store.answer(turn.number, answer, now())?;
                self.note(turn, None)?;
            }
            Ok(Heard::Silence) => {
                match self.place.silence() {
                    Some(words) => self.store.answer(turn.number, words, now())?,
                    None => self.store.finish_turn(turn.number)?,
                }
                self.note(turn, None)?;
            }
            Ok(Heard::Failed) if !is_hopeless(self.tries, true) => {
                self.put_off(turn, NOT_ANSWERED, None)?;
            }
            Ok(Heard::Failed | Heard::TooMuch) => {
                self.store.answer(turn.number, SORRY, now())?;
                self.note(turn, Some(NOT_ANSWERED))?;
            }
            Ok(Heard::NotNow) => self.put_off(turn, NOT_ASKED, None)?,
            Err(failure) => {
                log(&failure);
                self.put_off(turn, NOT_ASKED, None)?;
            }
        }
        // It was used, however that ended.
        match self.store.life()? {
            Some(life) if life.tenure == self.tenure => self.store.save_life(&Life {
                last_active: now(),
                ..life
            }),
            _ => Ok(()),
        }
    }

    /// Posts what is left of an answer. Each post is counted before it is made.
    async fn post(&self, turn: &Turn, token: &Secret) -> Outcome<()> {
        let mut problem = None;
        let all = parts(&turn.answer, self.place.longest_post());
        let first = match turn.progress() {
            Progress::Posted(parts) => parts,
            Progress::Begun(parts) if self.place.is_replaced(parts) => parts,
            Progress::Begun(parts) => {
                problem = Some(NOT_KNOWN);
                parts.saturating_add(1)
            }
        };
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        for (at, part) in (0_u32..).zip(&all).skip(first) {
            // It may have been taken away since the one before.
            if self.store.turn(turn.number)?.is_none() {
                return Ok(());
            }
            self.store.count_posts(turn.number, Progress::Begun(at))?;
            let (told, seen) = self.send(token, at, part).await;
            if let Err(failure) = seen {
                log(&failure);
            }
            let not_before = match &told {
                Told::Done(_) => continue,
                Told::Unknown if self.place.is_replaced(at) => None,
                Told::Unknown => {
                    problem = Some(NOT_KNOWN);
                    continue;
                }
                Told::Later(pause) => Some(now().saturating_add(*pause)),
                Told::Refused(_) if turn.channel == EdgeChannel::Discord => {
                    return self.give_up(turn);
                }
                // As it is it will never be taken, and others wait behind it.
                Told::Refused(reason) if !is_of_token(reason) => {
                    let why = format!("Slack did not take an answer: {reason}.");
                    self.store.finish_turn(turn.number)?;
                    return self.note(turn, Some(&why));
                }
                Told::Refused(_) => None,
            };
            self.store.count_posts(turn.number, Progress::Posted(at))?;
            let why = match told {
                Told::Refused(reason) => format!(
                    "{} does not take an answer: {reason}.",
                    turn.channel.title()
                ),
                _ => format!(
                    "{} takes no more answers for now. They are kept.",
                    turn.channel.title()
                ),
            };
            return self.put_off(turn, &why, not_before);
        }
        self.store.finish_turn(turn.number)?;
        self.note(turn, problem)
    }

    async fn send(&self, token: &Secret, at: u32, part: &str) -> (Told, Outcome<()>) {
        match &self.place {
            Place::Slack {
                channel, thread, ..
            } => {
                let params = json!({
                    "channel": channel,
                    "text": escaped(part),
                    "thread_ts": thread,
                    "parse": "none",
                    "link_names": false,
                    "unfurl_links": false,
                    "unfurl_media": false,
                });
                slack_api::call(&self.base, token, "chat.postMessage", &params).await
            }
            Place::Discord { application, .. } => {
                let hook = format!("/webhooks/{application}/{}", token.expose());
                let (method, path) = match at {
                    0 => (Method::Patch, format!("{hook}/messages/@original")),
                    _ => (Method::Post, hook),
                };
                let call = discord_api::Call {
                    base: &self.base,
                    method,
                    path: Secret::new(path),
                    token: None,
                    body: Some(&message(part)),
                };
                discord_api::call("answer", call).await
            }
        }
    }

    /// Nobody takes its answer any more.
    fn give_up(&self, turn: &Turn) -> Outcome<()> {
        self.store.finish_turn(turn.number)?;
        self.note(turn, Some(TOO_LATE))
    }

    fn put_off(&self, turn: &Turn, why: &str, not_before: Option<Timestamp>) -> Outcome<()> {
        let until = retry_at(self.tries, now());
        let until = until.max(not_before.unwrap_or(until));
        self.store.put_turn_off(turn.number, until)?;
        self.note(turn, Some(why))
    }

    /// Shows it to the owner.
    fn note(&self, turn: &Turn, problem: Option<&str>) -> Outcome<()> {
        self.store
            .note_edge_channel(self.owner, turn.channel, problem)
    }

    /// Has the driver look for what is next.
    async fn end(&self, busy: Busy, ended: Outcome<()>) {
        if let Err(failure) = ended {
            log(&failure);
        }
        drop(busy);
        // Else the next look sees it.
        let _ = self
            .storage
            .set_alarm(ScheduledTime::new(js_sys::Date::new_0()))
            .await;
    }
}
