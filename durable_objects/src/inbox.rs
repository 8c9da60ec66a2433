//! What people write to the agent's bot: kept as it comes, and handed to the agent in order, until it says that it has it for
//! good. The driver alone does that, so nothing is handed over while a snapshot is taken.

use core::time::Duration;

use multiclaw_core::audit::Entry;
use multiclaw_core::channel::{Admission, Channel};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::hook::{BotId, Door, Hook, SECRET_HEADER};
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::{UpdateId, retry_at, typing};
use multiclaw_core::lifecycle::{Life, State, Step, Wish};
use multiclaw_core::strangers::Hearing;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::Timestamp;
use worker::{Headers, Method, Request, RequestInit, Response, ResponseBuilder};

use crate::Agent;
use crate::container::{Container, HOOK_PORT};
use crate::driver::Term;
use crate::events::News;
use crate::port::{Outcome, Tried as _, now, within};
use crate::reply;
use crate::settings;
use crate::store::{Received, Waiting};
use crate::watch::Care;

/// Where OpenClaw listens for updates.
const HOOK_URL: &str = "http://agent/telegram-webhook";
/// Its word that an update is written down, rather than only heard.
const ACCEPTED_HEADER: &str = "x-openclaw-delivery-accepted";
const ACCEPTED: &str = "durable";
/// For one message. It is written down before it is worked on.
const LIMIT: Duration = Duration::from_secs(20);
/// So many at most are handed over before anything else is looked at.
const BATCH: usize = 25;
const RETRY_WHEN_FULL: u32 = 30;
const NOT_DELIVERED: &str =
    "The agent does not take messages yet. They are kept for a day, and tried again.";

impl Agent {
    /// Keeps an update of a bot that is this tenant's.
    pub(crate) async fn take_update(
        &self,
        owner: Wallet,
        bot: BotId,
        id: UpdateId,
        update: &str,
    ) -> Outcome<Response> {
        let known = self.store.domain()?.filter(|domain| domain.owner == owner);
        let channel = match known {
            Some(_) => self.store.channel(owner)?.filter(|it| it.bot() == bot),
            None => None,
        };
        let channel = channel.ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                "There is no such channel, or none any more.",
            )
        })?;
        let mut is_kept = false;
        if channel.admission != Admission::Disabled {
            let is_awake = matches!(self.life()?.wish, Wish::Run | Wish::Restart);
            match channel.clone().hears(update, is_awake, now()) {
                (channel, Hearing::Heard) => {
                    is_kept = self.keep(owner, channel, id, update).await?;
                }
                (counted, Hearing::HeldBack { first }) => {
                    if first {
                        self.store.audit(now(), &Entry::StrangersHeldBack)?;
                    }
                    if counted != channel {
                        self.store.save_channel(owner, &counted)?;
                    }
                }
            }
        }
        // An agent that runs types by itself.
        if is_kept
            && self.life()?.is_awaited()
            && let Some(notice) = typing(update)
        {
            return reply::json(200, &notice);
        }
        // What is held back Telegram is not to send again.
        Ok(ResponseBuilder::new().with_status(200).empty())
    }

    /// Gives whether it is new.
    async fn keep(
        &self,
        owner: Wallet,
        channel: Channel,
        id: UpdateId,
        update: &str,
    ) -> Outcome<bool> {
        match self
            .store
            .receive(owner, channel.bot(), id, update, now())?
        {
            Received::Known => Ok(false),
            Received::Full => {
                let detail = "Too many messages wait for this agent. Send it again later.";
                let problem = Problem::new(Code::RateLimited, detail);
                Err(problem.retry_after(RETRY_WHEN_FULL).into())
            }
            Received::Kept => {
                let last_message_at = Some(now());
                let channel = Channel {
                    last_message_at,
                    ..channel
                };
                self.store.save_channel(owner, &channel)?;
                self.wake_at(now()).await?;
                Ok(true)
            }
        }
    }

    /// The next step, with a look at what waits for the agent.
    pub(crate) fn next_step(&self, life: &Life, container: &Container) -> Outcome<Step> {
        let step = life.next(container.running(), settings::policy(&self.env)?, now());
        let Some(domain) = self.store.domain()? else {
            return Ok(step);
        };
        let first = self.store.first_waiting(domain.owner)?;
        let first = first.map(|first| first.retry_at());
        let called = self.turns_call(domain.owner, life)?;
        Ok(life.with_inbox(step, first.into_iter().chain(called).min(), now()))
    }

    /// Drops what waited too long. Gives when something is to be done for the channels next, as the agent is now.
    pub(crate) fn inbox_due(&self) -> Option<Timestamp> {
        self.clear_inbox().unwrap_or_else(|failure| {
            self.log(&failure);
            None
        })
    }

    fn clear_inbox(&self) -> Outcome<Option<Timestamp>> {
        let Some(domain) = self.store.domain()? else {
            return Ok(None);
        };
        self.drop_late(domain.owner)?;
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let dues = [
            self.store.late_at(domain.owner)?,
            self.store.turns_late_at(domain.owner)?,
            self.turns_due(domain.owner, &self.life()?)?,
            self.turns.next_look(now()),
            self.registration_due(&tenant)?,
            self.discord_due(&tenant)?,
        ];
        Ok(dues.into_iter().flatten().min())
    }

    /// Each channel tells of its own.
    fn drop_late(&self, owner: Wallet) -> Outcome<()> {
        let told = |count: u32| {
            format!("Messages that could not be delivered for a day were dropped: {count}.")
        };
        let mut all = self.store.drop_late(owner, now())?;
        if all > 0 {
            self.note_delivery(owner, Some(&told(all)))?;
        }
        for (channel, count) in self.store.drop_late_turns(owner, now())? {
            if count > 0
                && let Some(channel) = channel
            {
                self.store
                    .note_edge_channel(owner, channel, Some(&told(count)))?;
            }
            all = all.saturating_add(count);
        }
        if all > 0 {
            self.store
                .audit(now(), &Entry::MessagesDropped { count: all })?;
        }
        Ok(())
    }

    /// Hands over what waits, one after another, until one is not taken.
    pub(crate) async fn deliver(&self, container: &Container, term: &Term) -> Outcome<()> {
        let owner = term.domain.owner;
        for _ in 0..BATCH {
            let Some(message) = self.store.first_waiting(owner)? else {
                return Ok(());
            };
            // What was written to an owner is not for the next one's agent, nor for one that is about to be taken away.
            let delivered = match self.owner(term.domain.clone(), Care::Bounded).await {
                Ok(_) => self.hand_over(container, term, &message).await,
                Err(failure) => Err(failure),
            };
            let life = self.life()?;
            if life.tenure != term.tenure {
                return Ok(());
            }
            if let Err(failure) = delivered {
                self.log(&failure);
                let until = retry_at(message.tries(), now());
                self.store.put_off(owner, &message, until)?;
                return self.note_delivery(owner, Some(NOT_DELIVERED));
            }
            self.store.accept(owner, &message)?;
            self.note_delivery(owner, None)?;
            // Whom it does not know keeps nothing awake, and may wait to be let in by now.
            match self.is_of_known(owner, &message)? {
                true => drop(self.update(term, |life| life.last_active = now())?),
                false => self.listeners.tell_news(News::Pairing),
            }
            if life.state != State::Running || life.wish != Wish::Run {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_of_known(&self, owner: Wallet, message: &Waiting) -> Outcome<bool> {
        let channel = self.store.channel(owner)?;
        Ok(channel.is_some_and(|it| it.knows_sender(&message.body)))
    }

    /// Shows a message's fate to its owner.
    fn note_delivery(&self, owner: Wallet, problem: Option<&str>) -> Outcome<()> {
        let channel = self.store.channel(owner)?;
        match channel.filter(|it| it.problem.as_deref() != problem) {
            Some(channel) => {
                let problem = problem.map(str::to_owned);
                self.store
                    .save_channel(owner, &Channel { problem, ..channel })
            }
            None => Ok(()),
        }
    }

    async fn hand_over(
        &self,
        container: &Container,
        term: &Term,
        message: &Waiting,
    ) -> Outcome<()> {
        let tenant = Tenant {
            asset: term.domain.asset,
            owner: term.domain.owner,
        };
        let channel = self.store.channel(tenant.owner)?;
        let channel = channel.ok_or_else(|| Failure::internal("a message of no channel"))?;
        let door = Door {
            tenant,
            bot: channel.bot(),
        };
        let hooks = settings::sealing_keys(&self.env)?.hooks(&door);
        let (current, previous) =
            hooks.map_err(|error| Failure::internal(format!("webhook: {error}")))?;
        match (send(container, &current, message).await?, previous) {
            // The agent was started before the service's key was replaced.
            (401, Some(previous)) => told(send(container, &previous, message).await?),
            (status, _) => told(status),
        }
    }
}

/// The status that the agent answers, and 0 for a success that it does not call one for good.
async fn send(container: &Container, hook: &Hook, message: &Waiting) -> Outcome<u16> {
    let headers = Headers::new();
    for (name, value) in [
        ("content-type", "application/json"),
        (SECRET_HEADER, hook.header.expose()),
    ] {
        headers.set(name, value).tried("message")?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(message.body.as_str().into()));
    let request = Request::new_with_init(HOOK_URL, &init).tried("message")?;
    let answer = within(LIMIT, "the agent's channel", async {
        let answer = container.port(HOOK_PORT)?.fetch_request(request).await;
        answer.tried("the agent's channel")
    });
    let answer = answer.await?;
    let accepted = answer.headers().get(ACCEPTED_HEADER).ok().flatten();
    Ok(match answer.status_code() {
        200 if accepted.as_deref() != Some(ACCEPTED) => 0,
        status => status,
    })
}

fn told(status: u16) -> Outcome<()> {
    match status {
        200 => Ok(()),
        _ => Err(Failure::internal(format!(
            "the agent's channel answered status {status}"
        ))),
    }
}
