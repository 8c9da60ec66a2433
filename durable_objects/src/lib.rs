//! The Durable Object of a domain: the single writer of everything that belongs to it.
//!
//! It decodes what the Worker sends and calls the part that does it. Requests only record what is wanted; all that is
//! done to the container is done by the alarm, one step at a time (`driver`).

mod archives;
mod bot_api;
mod calls;
mod channels;
mod choices;
mod connections;
mod container;
mod discord;
mod discord_api;
mod driver;
mod edge;
mod events;
mod health;
mod idle;
mod import;
mod inbox;
mod injection;
mod limits;
mod models;
mod packs;
mod pairing;
mod passing;
pub mod port;
mod proposals;
mod proxy;
pub mod reply;
mod schema;
mod sealed;
pub mod settings;
mod slack_api;
mod snapshots;
pub mod solana;
mod start;
mod store;
mod turns;
mod waiting;
mod wakes;
mod wallet;
mod watch;

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::SessionId;
use multiclaw_core::keyless::{MODEL_HEADER, ModelCall};
use multiclaw_core::lifecycle::Life;
use multiclaw_core::messages::{CALL_PATH, CALLER_HEADER, Call, Caller, Envelope, StatusView};
use multiclaw_core::redaction::Redactor;
use multiclaw_core::secret::Secret;
use multiclaw_core::ticket;
use multiclaw_core::upload::{UPLOAD_HEADER, Upload};
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use crate::archives::Uploads;
use crate::connections::Connections;
use crate::container::Container;
use crate::discord::Telling;
use crate::events::Listeners;
use crate::health::Probes;
use crate::limits::Limits;
use crate::port::{Outcome, Tried as _, now};
use crate::store::Store;
use crate::turns::Turns;
use crate::waiting::Waiting;
use crate::wallet::LastRead;
use crate::watch::Readings;

/// One per domain, named by its asset.
#[durable_object(alarm)]
pub struct Agent {
    state: State,
    env: Env,
    store: Store,
    listeners: Listeners,
    connections: Connections,
    readings: Readings,
    /// The tenant's secrets, as far as they were opened here.
    redactor: RefCell<Redactor>,
    limits: Limits,
    probes: Probes,
    uploads: Uploads,
    turns: Rc<Turns>,
    telling: Telling,
    /// Who waits for a snapshot.
    waiting: Waiting,
    wallet: LastRead,
    /// Whether what is sealed is known to be looked after by an alarm.
    has_alarm: Cell<bool>,
}

impl DurableObject for Agent {
    fn new(state: State, env: Env) -> Self {
        let store = Store::new(&state);
        let (connections, state) = Connections::of(state);
        Self {
            state,
            env,
            store,
            listeners: Listeners::default(),
            connections,
            readings: Readings::default(),
            redactor: RefCell::default(),
            limits: Limits::default(),
            probes: Probes::default(),
            uploads: Uploads::default(),
            turns: Rc::default(),
            telling: Telling::default(),
            waiting: Waiting::default(),
            wallet: LastRead::default(),
            has_alarm: Cell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let answer = self.handle(request).await;
        if let Err(failure) = self.keep_alarm().await {
            self.log(&failure);
        }
        match answer {
            Ok(response) => Ok(response),
            Err(failure) => {
                self.log(&failure);
                let mut problem = failure.problem;
                problem.detail = self.clean(&problem.detail);
                reply::problem(&problem)
            }
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let driven = match self.open_store(false) {
            Ok(()) => self.drive().await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = driven {
            self.log(&failure);
            // Whatever it was, the object looks again: an alarm that is not set anew would leave the agent stuck.
            self.wake_at(now().saturating_add(driver::RETRY_AFTER_FAILURE))
                .await
                .map_err(|_| "the alarm can't be set")?;
        }
        Response::empty()
    }
}

impl Agent {
    async fn handle(&self, mut request: Request) -> Outcome<Response> {
        if let Some(text) = request
            .headers()
            .get(CALLER_HEADER)
            .tried("caller header")?
        {
            let caller: Caller = serde_json::from_str(&text).map_err(|_| malformed())?;
            self.open_store(false)?;
            return self.pass_on(caller, request).await;
        }
        if let Some(text) = request
            .headers()
            .get(UPLOAD_HEADER)
            .tried("upload header")?
        {
            let upload: Upload = serde_json::from_str(&text).map_err(|_| malformed())?;
            self.open_store(false)?;
            return self.take_upload(upload, request).await;
        }
        // After the others: a browser's request may hold what it likes under this name.
        if let Some(text) = request.headers().get(MODEL_HEADER).tried("model header")? {
            let call: ModelCall = serde_json::from_str(&text).map_err(|_| malformed())?;
            self.open_store(false)?;
            return self.call_model(call, request).await;
        }
        if request.path() != CALL_PATH {
            return Err(malformed().into());
        }
        let envelope: Envelope = request.json().await.map_err(|_| malformed())?;
        match &envelope.call {
            // Who has no ticket learns not even whether anybody ever signed in here.
            Call::Redeem { .. } if !self.store.exists()? => return Err(ticket::spent().into()),
            call => self.open_store(matches!(call, Call::Login(_)))?,
        }
        self.call(envelope).await
    }

    /// Makes the database usable. Only a proved login creates one: whoever knocks at a domain that nobody signed in to
    /// leaves nothing behind.
    fn open_store(&self, create: bool) -> Outcome<()> {
        if create || self.store.exists()? {
            self.store.migrate()
        } else {
            Err(Problem::sign_in().into())
        }
    }

    /// From now on this secret of the tenant leaves in no log, no problem and no trouble.
    fn learn(&self, secret: &Secret) {
        self.redactor.borrow_mut().learn(secret);
    }

    /// The text without the secrets of the tenant and of the service.
    fn clean(&self, text: &str) -> String {
        port::clean(&self.redactor.borrow().clean(text))
    }

    /// Writes what the operator needs to know of a failure.
    fn log(&self, failure: &Failure) {
        let context = failure.context.as_deref();
        port::log(&Failure {
            problem: failure.problem.clone(),
            context: context.map(|context| self.clean(context)),
        });
    }

    /// Ends every open stream and socket whose session is not to stay.
    fn disconnect(&self, stays: impl Fn(SessionId) -> bool) {
        self.listeners.keep(&stays);
        self.connections.keep(stays);
    }

    fn container(&self) -> Outcome<Container> {
        Container::of(&self.state)
    }

    fn life(&self) -> Outcome<Life> {
        Ok(self.store.life()?.unwrap_or_else(|| Life::new(now())))
    }

    /// Writes the row, then tells everybody who listens.
    fn save_life(&self, life: &Life) -> Outcome<()> {
        self.store.save_life(life)?;
        if let Some(status) = self.status(life)? {
            self.listeners.tell(&status);
        }
        Ok(())
    }

    /// What the owner sees; `None` before the first login.
    fn status(&self, life: &Life) -> Outcome<Option<StatusView>> {
        let Some(domain) = self.store.domain()? else {
            return Ok(None);
        };
        let newest = self.store.snapshots(domain.owner)?.into_iter().next();
        Ok(Some(StatusView {
            asset: domain.asset,
            state: life.state,
            phase: life.phase,
            since: life.since,
            last_snapshot: newest.map(snapshots::view),
            problem: life.trouble.clone(),
            renewal: life.renewal,
            next_wake_at: life.next_wake_at(),
            agent_url: format!(
                "{}/",
                settings::hosts(&self.env)?.agent_origin(domain.asset)
            ),
            domain: domain.name,
        }))
    }
}

fn malformed() -> Problem {
    Problem::new(
        Code::Internal,
        "The Worker sent what this object does not understand.",
    )
}
