//! The tenant's channels that end here: their secrets, who may write, and what comes by them. Who is known is decided before
//! anything is kept for the agent: a stranger wakes nobody.

use multiclaw_core::channel::{Admission, ChannelState, ChannelView};
use multiclaw_core::edge::{Account, EdgeChannel, EdgeRow, EdgeSecret, Welcome, is_id};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Wallet;
use multiclaw_core::knock::{CODE_BYTES, code, named, told};
use multiclaw_core::pairing::PairingId;
use multiclaw_core::secret::{Redacted, Secret};
use multiclaw_core::slack::{Event, Said, Stamp, read};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::text::plain;
use multiclaw_core::turn::Place;
use serde_json::{Value, json};
use worker::{Response, ResponseBuilder};

use crate::Agent;
use crate::port::{Outcome, now, random};
use crate::reply;
use crate::sealed::OwnSecret;
use crate::settings;
use crate::slack_api;
use crate::store::{NewTurn, Received, SealedSecret};

const RETRY_WHEN_FULL: u32 = 30;
const MAX_NAME: usize = 80;
const OLD_DOOR: &str =
    "Slack sends to an address that will end soon. Give it the one that is shown here.";

/// What an owner gives for a channel; what is absent stays.
pub(crate) struct Given {
    pub(crate) token: Option<Secret>,
    pub(crate) signing_secret: Option<Secret>,
    pub(crate) application: Option<String>,
    pub(crate) public_key: Option<String>,
}

impl Given {
    const fn secret(&self, which: EdgeSecret) -> Option<&Secret> {
        match which {
            EdgeSecret::SlackToken | EdgeSecret::DiscordToken => self.token.as_ref(),
            EdgeSecret::SlackSigning => self.signing_secret.as_ref(),
        }
    }
}

/// What a request to a door brought.
pub(crate) struct Sent {
    pub(crate) owner: Wallet,
    pub(crate) by_old_door: bool,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

impl Agent {
    pub(crate) fn edge_view(&self, tenant: &Tenant, channel: EdgeChannel) -> Outcome<ChannelView> {
        let token = self.store.sealed(tenant.owner, channel.token().as_str())?;
        let row = self.store.edge_channel(tenant.owner, channel)?;
        let row = row.filter(|_| token.is_some());
        let state = match &row {
            None => ChannelState::Off,
            Some(row) if row.reached || row.registered.is_some() => ChannelState::Connected,
            Some(_) => ChannelState::Connecting,
        };
        let hosts = settings::hosts(&self.env)?;
        let door = settings::sealing_keys(&self.env)?.edge_door(channel, tenant);
        let door = door.map_err(|error| Failure::internal(format!("door: {error}")))?;
        let url = door.url(channel, hosts.primary().as_str(), tenant.asset);
        let admission = row.as_ref().map(|row| row.admission.clone());
        let admission = admission.unwrap_or_default();
        let by_old_door = row.as_ref().is_some_and(|row| row.by_old_door);
        let problem = row.as_ref().and_then(|row| row.problem.clone());
        let ids = match row.as_ref().map(|row| row.account.clone()) {
            Some(Account::Discord {
                application,
                public_key,
            }) => (Some(application), Some(public_key)),
            Some(Account::Slack { .. }) | None => (None, None),
        };
        let token = token.filter(|_| row.is_some());
        Ok(ChannelView {
            name: channel.as_str().to_owned(),
            state,
            token_set_at: token.as_ref().map(SealedSecret::set_at),
            prefix: token.map(|token| token.prefix),
            waiting: self.store.turns_waiting(tenant.owner, channel)?,
            last_message_at: row.as_ref().and_then(|row| row.last_message_at),
            held_back_today: None,
            problem: problem.or_else(|| by_old_door.then(|| OLD_DOOR.to_owned())),
            warning: admission.warning().map(str::to_owned),
            admission,
            effect: None,
            application_id: ids.0,
            public_key: ids.1,
            people: match row {
                Some(_) => self.store.let_in(tenant.owner, channel)?,
                None => Vec::new(),
            },
            account: row.map(|row| row.name),
            request_url: Some(url.expose().to_owned()),
        })
    }

    /// Sets who may write, and what else is given. The agent is told nothing: it never has a channel's secrets.
    pub(crate) async fn put_edge_channel(
        &self,
        tenant: &Tenant,
        channel: EdgeChannel,
        given: Given,
        admission: Admission,
    ) -> Outcome<ChannelView> {
        let mut parsed = Vec::new();
        for secret in channel.secrets() {
            let kept = self.store.sealed(tenant.owner, secret.as_str())?;
            match given.secret(*secret).cloned() {
                Some(value) => parsed.push((*secret, secret.parse(value)?)),
                None if kept.is_none() => {
                    let expected = "a text, as there is none yet";
                    return Err(Problem::field(secret.field(), expected).into());
                }
                None => {}
            }
        }
        let is_same_app = given.application.is_none() && given.public_key.is_none();
        let of_token = |(secret, _): &&(EdgeSecret, Secret)| *secret == channel.token();
        let given_token = parsed.iter().find(of_token).map(|(_, token)| token.clone());
        let former = self.store.edge_channel(tenant.owner, channel)?;
        let row = match (&former, &given_token) {
            (Some(former), None) if is_same_app => EdgeRow {
                admission,
                ..former.clone()
            },
            (former, _) => {
                let token = match given_token {
                    Some(token) => token,
                    None => self.kept_token(tenant, channel)?,
                };
                self.learn(&token);
                let tenure = self.life()?.tenure;
                let (account, name) = match channel {
                    EdgeChannel::Slack => self.slack_account(&token).await?,
                    EdgeChannel::Discord => {
                        self.discord_account(&given, former.as_ref(), &token)
                            .await?
                    }
                };
                // The company may have taken its time, and the asset may have moved meanwhile.
                let owner = self.store.domain()?.map(|domain| domain.owner);
                if owner != Some(tenant.owner) || self.life()?.tenure != tenure {
                    return Err(Problem::not_yours().into());
                }
                let present = self.store.edge_channel(tenant.owner, channel)?;
                match present.filter(|present| present.account == account) {
                    Some(present) => EdgeRow {
                        name,
                        admission,
                        ..present
                    },
                    None => EdgeRow::new(account, name, admission),
                }
            }
        };
        let is_other = former.is_some_and(|former| former.account != row.account);
        let farewell = match (channel, is_other) {
            (EdgeChannel::Discord, true) => self.discord_farewell(tenant)?,
            _ => None,
        };
        for (secret, value) in &parsed {
            let token = Some(value.redacted()).filter(|_| *secret == channel.token());
            let shown = token.as_ref().map(Redacted::as_str).unwrap_or_default();
            self.put_sealed(tenant, secret.as_str(), value, shown)?;
        }
        let is_kept = parsed.is_empty() && is_same_app;
        let row = EdgeRow {
            reached: row.reached && is_kept,
            registered: row.registered.filter(|_| is_kept),
            register_at: row.register_at.filter(|_| is_kept),
            problem: row.problem.filter(|_| is_kept),
            ..row
        };
        self.store.save_edge_channel(tenant.owner, channel, &row)?;
        self.unhear(tenant, channel, &row.admission)?;
        farewell.into_iter().for_each(|leave| leave(self));
        self.wake_at(now()).await?;
        self.edge_view(tenant, channel)
    }

    /// Drops what waits of whoever may not write any more, before it wakes anybody.
    fn unhear(&self, tenant: &Tenant, channel: EdgeChannel, admission: &Admission) -> Outcome<()> {
        for turn in self.store.unanswered(tenant.owner, channel)? {
            // What only a newer version reads is for that one, or a day's.
            let Ok(place) = turn.place() else {
                continue;
            };
            let person = place.person();
            let is_known = self.store.is_let_in(tenant.owner, channel, person)?;
            if admission.welcome(person, is_known) != Welcome::In {
                self.store.finish_turn(turn.number)?;
            }
        }
        Ok(())
    }

    /// Takes back that somebody was let in: from now on they are a stranger.
    pub(crate) fn shut_out(&self, tenant: &Tenant, id: PairingId) -> Outcome<ChannelView> {
        let unknown = || {
            let detail = "You have let in nobody by this id, or not any more. List them again.";
            Problem::new(Code::NotFound, detail)
        };
        let (channel, person) = named(&id).ok_or_else(unknown)?;
        if !self.store.shut_out(tenant.owner, channel, &person)? {
            return Err(unknown().into());
        }
        if let Some(row) = self.store.edge_channel(tenant.owner, channel)? {
            self.unhear(tenant, channel, &row.admission)?;
        }
        self.edge_view(tenant, channel)
    }

    fn kept_token(&self, tenant: &Tenant, channel: EdgeChannel) -> Outcome<Secret> {
        match self.own_sealed(tenant, channel.token().as_str())? {
            OwnSecret::Value(token) => Ok(token),
            OwnSecret::Nothing | OwnSecret::Unreadable => {
                let expected = "a text: the one that there was can't be opened any more";
                Err(Problem::field("token", expected).into())
            }
        }
    }

    async fn slack_account(&self, token: &Secret) -> Outcome<(Account, String)> {
        let hosts = settings::hosts(&self.env)?;
        let said = slack_api::whose(hosts.slack_api(), token).await?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let id = |name: &str| text(name).filter(|id| is_id(id)).map(str::to_owned);
        let (Some(team), Some(user)) = (id("team_id"), id("user_id")) else {
            let detail = "Slack does not say whose bot this is. Try again in a moment.";
            return Err(Problem::new(Code::ChannelUnavailable, detail).into());
        };
        let [bot, workspace] = ["user", "team"].map(|name| text(name).unwrap_or_default());
        let name = plain(&format!("{bot} in {workspace}"), MAX_NAME);
        Ok((Account::Slack { team, user }, name))
    }

    pub(crate) fn delete_edge_channel(
        &self,
        tenant: &Tenant,
        channel: EdgeChannel,
    ) -> Outcome<ChannelView> {
        let farewell = match channel {
            EdgeChannel::Discord => self.discord_farewell(tenant)?,
            EdgeChannel::Slack => None,
        };
        self.store.delete_edge_channel(tenant.owner, channel)?;
        farewell.into_iter().for_each(|leave| leave(self));
        self.edge_view(tenant, channel)
    }

    /// Takes what came to a tenant's own door, once it is known that the channel has sent it.
    pub(crate) async fn take_sent(&self, channel: EdgeChannel, sent: Sent) -> Outcome<Response> {
        let gone = || {
            Problem::new(
                Code::NotFound,
                "There is no such channel, or none any more.",
            )
        };
        let domain = self.store.domain()?;
        let domain = domain.filter(|domain| domain.owner == sent.owner);
        let tenant = domain.map(|domain| Tenant {
            asset: domain.asset,
            owner: domain.owner,
        });
        let tenant = tenant.ok_or_else(gone)?;
        let row = self.store.edge_channel(tenant.owner, channel)?;
        let row = row.ok_or_else(gone)?;
        match channel {
            EdgeChannel::Slack => self.take_event(&tenant, row, sent).await,
            EdgeChannel::Discord => self.take_interaction(&tenant, row, &sent).await,
        }
    }

    async fn take_event(&self, tenant: &Tenant, row: EdgeRow, sent: Sent) -> Outcome<Response> {
        let channel = EdgeChannel::Slack;
        let name = EdgeSecret::SlackSigning.as_str();
        let OwnSecret::Value(secret) = self.own_sealed(tenant, name)? else {
            return Err(gone().into());
        };
        let stamp = Stamp::parse(&sent.timestamp, &sent.signature, now());
        if !stamp.is_some_and(|stamp| stamp.proves(&secret, &sent.body)) {
            let detail = "Sign the request with the app's signing secret, in `X-Slack-Signature`.";
            return Err(Problem::new(Code::Unauthenticated, detail).into());
        }
        let Account::Slack { team, user } = &row.account else {
            return Err(gone().into());
        };
        let event = read(&sent.body, team, user).ok_or_else(|| {
            let detail = "The body must be an event of Slack, as JSON.";
            Problem::new(Code::MalformedBody, detail)
        })?;
        let row = EdgeRow {
            reached: true,
            by_old_door: sent.by_old_door,
            ..row
        };
        match event {
            Event::Challenge(challenge) => {
                self.store.save_edge_channel(tenant.owner, channel, &row)?;
                reply::json(200, &json!({ "challenge": challenge }))
            }
            Event::Other => {
                self.store.save_edge_channel(tenant.owner, channel, &row)?;
                Ok(taken())
            }
            Event::Said(said) => self.take_said(tenant, channel, row, said).await,
        }
    }

    async fn take_said(
        &self,
        tenant: &Tenant,
        channel: EdgeChannel,
        row: EdgeRow,
        said: Said,
    ) -> Outcome<Response> {
        let Said { person, text, .. } = said;
        let is_known = self.store.is_let_in(tenant.owner, channel, &person)?;
        let welcome = row.admission.welcome(&person, is_known);
        let place = Place::Slack {
            person: person.clone(),
            channel: said.channel,
            thread: said.thread,
            direct: said.is_direct,
        };
        let mut turn = NewTurn {
            owner: tenant.owner,
            id: &said.id,
            conversation: &said.conversation,
            rank: said.rank,
            place: &place,
            text: &text,
            answer: None,
        };
        let row = EdgeRow {
            last_message_at: Some(now())
                .filter(|_| welcome != Welcome::Out)
                .or(row.last_message_at),
            ..row
        };
        let (code, knock) = (
            code(random::<CODE_BYTES>()?),
            format!("knock-{}", person.as_str()),
        );
        let answer = told(&code);
        let received = match welcome {
            Welcome::Out => Received::Known,
            Welcome::In => self.store.add_turn(&turn, now())?,
            Welcome::Asks => {
                let name = format!("{} (slack)", person.as_str());
                let who = (channel, &person);
                match self
                    .store
                    .add_knock(tenant.owner, who, (&name, &code), now())?
                {
                    true => {
                        // Beside the conversation that they may come to have.
                        turn.conversation = &knock;
                        turn.answer = Some(&answer);
                        turn.text = "";
                        let received = self.store.add_turn(&turn, now())?;
                        // Who can't be told the code now is told one when they write again.
                        if received == Received::Full {
                            self.store.answer_knock(tenant.owner, who, false, now())?;
                        }
                        received
                    }
                    false => Received::Known,
                }
            }
        };
        if received == Received::Full {
            let detail = "Too many messages wait for this agent. Send it again later.";
            let problem = Problem::new(Code::RateLimited, detail);
            return Err(problem.retry_after(RETRY_WHEN_FULL).into());
        }
        self.store.save_edge_channel(tenant.owner, channel, &row)?;
        if received == Received::Kept {
            self.wake_at(now()).await?;
        }
        Ok(taken())
    }
}

pub(crate) fn gone() -> Problem {
    Problem::new(
        Code::NotFound,
        "There is no such channel, or none any more.",
    )
}

fn taken() -> Response {
    ResponseBuilder::new().with_status(200).empty()
}
