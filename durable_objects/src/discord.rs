//! The tenant's application at Discord: whose it is, what Discord is told of it, and what people ask. An interaction is answered
//! at once: with a word to whoever asked, or with "the agent thinks", after which the answer follows (`turns`).

use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeSet;
use std::rc::Rc;

use multiclaw_core::audit::Entry;
use multiclaw_core::discord::{
    ANSWERED_WITHIN, Asked, Interaction, PublicKey, Stamp, commands, deferred, is_number, pong,
    read, whispered,
};
use multiclaw_core::door::{leads_to, mark};
use multiclaw_core::edge::{Account, EdgeChannel, EdgeRow, EdgeSecret, Told, Welcome};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::retry_at;
use multiclaw_core::knock::{CODE_BYTES, code, told};
use multiclaw_core::lifecycle::Wish;
use multiclaw_core::secret::Secret;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::text::plain;
use multiclaw_core::time::{Seconds, Timestamp};
use multiclaw_core::turn::{Place, SEALED_AS};
use serde_json::{Value, json};
use worker::{Delay, Method, Response, ScheduledTime};

use crate::Agent;
use crate::channels::{AGAIN, take_leave};
use crate::discord_api::{Call, call, how, whose};
use crate::driver::Term;
use crate::edge::{Given, Sent, gone};
use crate::port::{Outcome, log, now, random};
use crate::reply;
use crate::sealed::OwnSecret;
use crate::settings;
use crate::store::{NewTurn, Received};

const CHANNEL: EdgeChannel = EdgeChannel::Discord;
const MAX_NAME: usize = 80;
/// Until it is looked again whether Discord may be told.
const SOON: Seconds = Seconds::new(1);
const NOT_TOLD: &str =
    "Discord could not be told where to send what people ask. It is tried again.";
const STOPPED: &str = "This agent was stopped by its owner.";
const UNHEARD: &str = "This agent does not answer you.";
const CROWDED: &str = "Too many people wait to be let in. Try again in an hour.";
const FULL: &str = "Too much waits for this agent. Try again later.";
const UNKNOWN: &str = "This application offers nothing of that kind.";

/// The applications that Discord is being told something of. What is said of one is said one after another: else a farewell
/// under way could undo what its owner has connected since.
#[derive(Clone, Default)]
pub struct Telling(Rc<RefCell<BTreeSet<String>>>);

/// One of them, until it is dropped.
struct Word {
    telling: Telling,
    application: String,
}

impl Telling {
    fn is_under_way(&self, application: &str) -> bool {
        self.0.borrow().contains(application)
    }

    /// `None` while something is said of it.
    fn begin(&self, application: &str) -> Option<Word> {
        let is_first = self.0.borrow_mut().insert(application.to_owned());
        is_first.then(|| Word {
            telling: self.clone(),
            application: application.to_owned(),
        })
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        self.telling.0.borrow_mut().remove(&self.application);
    }
}

impl Agent {
    /// Asks Discord whose token that is, which must be the application's that its owner names.
    pub(crate) async fn discord_account(
        &self,
        given: &Given,
        former: Option<&EdgeRow>,
        token: &Secret,
    ) -> Outcome<(Account, String)> {
        let kept = match former.map(|row| &row.account) {
            Some(Account::Discord {
                application,
                public_key,
            }) => Some((application.clone(), public_key.clone())),
            Some(Account::Slack { .. }) | None => None,
        };
        let (kept_application, kept_key) = kept.unzip();
        let missing = |field| Problem::field(field, "a text, as there is none yet");
        let application = given.application.clone().or(kept_application);
        let application = application.ok_or_else(|| missing("applicationId"))?;
        let public_key = given.public_key.clone().or(kept_key);
        let public_key = public_key.ok_or_else(|| missing("publicKey"))?;
        if !is_number(&application) {
            let rule = "be the application's number at Discord, as a text of digits";
            return Err(Problem::value("applicationId", rule).into());
        }
        if PublicKey::parse(&public_key).is_none() {
            let rule =
                "be the application's public key at Discord: 64 hexadecimal digits in lower case";
            return Err(Problem::value("publicKey", rule).into());
        }
        let said = whose(settings::hosts(&self.env)?.discord_api(), token).await?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        for (name, value, field) in [
            ("id", &application, "applicationId"),
            ("verify_key", &public_key, "publicKey"),
        ] {
            if text(name) != Some(value) {
                let rule = "be that of the application which the token is of";
                return Err(Problem::value(field, rule).into());
            }
        }
        let name = plain(text("name").unwrap_or_default(), MAX_NAME);
        let account = Account::Discord {
            application,
            public_key,
        };
        Ok((account, name))
    }

    /// Takes what came to a tenant's own door, once it is known that Discord has sent it.
    pub(crate) async fn take_interaction(
        &self,
        tenant: &Tenant,
        row: EdgeRow,
        sent: &Sent,
    ) -> Outcome<Response> {
        let Account::Discord {
            application,
            public_key,
        } = &row.account
        else {
            return Err(gone().into());
        };
        let key = PublicKey::parse(public_key).ok_or_else(gone)?;
        let stamp = Stamp::parse(&sent.timestamp, &sent.signature, now());
        if !stamp.is_some_and(|stamp| stamp.proves(&key, &sent.body)) {
            let detail = "Sign the request with the application's key, in `X-Signature-Ed25519`.";
            return Err(Problem::new(Code::Unauthenticated, detail).into());
        }
        let interaction = read(&sent.body, application).ok_or_else(|| {
            let detail = "The body must be an interaction of Discord, as JSON.";
            Problem::new(Code::MalformedBody, detail)
        })?;
        let answer = match interaction {
            Interaction::Ping => pong(),
            Interaction::Other => whispered(UNKNOWN),
            Interaction::Asked(asked) => {
                let application = application.clone();
                self.take_asked(tenant, row, application, asked).await?
            }
        };
        reply::json(200, &answer)
    }

    async fn take_asked(
        &self,
        tenant: &Tenant,
        row: EdgeRow,
        application: String,
        asked: Asked,
    ) -> Outcome<Value> {
        let person = &asked.person;
        let is_known = self.store.is_let_in(tenant.owner, CHANNEL, person)?;
        match row.admission.welcome(person, is_known) {
            Welcome::Out => return Ok(whispered(UNHEARD)),
            Welcome::Asks => return self.knock(tenant, &row, &asked),
            Welcome::In if self.life()?.wish == Wish::Stop => return Ok(whispered(STOPPED)),
            Welcome::In => {}
        }
        let token = Secret::new(asked.token);
        let place = Place::Discord {
            application,
            person: person.clone(),
            direct: asked.is_direct,
            token: self.seal_value(tenant, SEALED_AS, &token)?,
            until: now().saturating_add(ANSWERED_WITHIN),
        };
        let turn = NewTurn {
            owner: tenant.owner,
            id: &asked.id,
            conversation: &asked.conversation,
            rank: asked.rank,
            place: &place,
            text: &asked.text,
            answer: None,
        };
        match self.store.add_turn(&turn, now())? {
            Received::Full => return Ok(whispered(FULL)),
            Received::Known => {}
            Received::Kept => {
                self.note_message(tenant, row)?;
                self.wake_at(now()).await?;
            }
        }
        Ok(deferred())
    }

    /// Whoever waits is told their code, and nobody else sees it.
    fn knock(&self, tenant: &Tenant, row: &EdgeRow, asked: &Asked) -> Outcome<Value> {
        let person = &asked.person;
        let fresh = code(random::<CODE_BYTES>()?);
        let name = format!("{} (discord {})", asked.name, person.as_str());
        let who = (CHANNEL, person);
        let owner = tenant.owner;
        if self.store.add_knock(owner, who, (&name, &fresh), now())? {
            self.note_message(tenant, row.clone())?;
            return Ok(whispered(&told(&fresh)));
        }
        let knocks = self.store.knocks(owner, now())?;
        let theirs = knocks
            .iter()
            .find(|it| it.channel == CHANNEL && it.person == *person);
        let words = theirs.map_or(CROWDED.to_owned(), |knock| told(&knock.code));
        Ok(whispered(&words))
    }

    fn note_message(&self, tenant: &Tenant, row: EdgeRow) -> Outcome<()> {
        let last_message_at = Some(now());
        let row = EdgeRow {
            last_message_at,
            ..row
        };
        self.store.save_edge_channel(tenant.owner, CHANNEL, &row)
    }

    fn discord_url(&self, tenant: &Tenant) -> Outcome<(Secret, String)> {
        let hosts = settings::hosts(&self.env)?;
        let door = settings::sealing_keys(&self.env)?.edge_door(CHANNEL, tenant);
        let door = door.map_err(|error| Failure::internal(format!("door: {error}")))?;
        let url = door.url(CHANNEL, hosts.primary().as_str(), tenant.asset);
        let mark = mark(&url);
        Ok((url, mark))
    }

    /// When Discord is to be told of the address and the command; `None` when it has both.
    pub(crate) fn discord_due(&self, tenant: &Tenant) -> Outcome<Option<Timestamp>> {
        let Some(row) = self.store.edge_channel(tenant.owner, CHANNEL)? else {
            return Ok(None);
        };
        let (_, mark) = self.discord_url(tenant)?;
        let is_told = row.registered.as_deref() == Some(mark.as_str());
        let due = row.register_at.unwrap_or(now());
        let not_before = match &row.account {
            Account::Discord { application, .. } if self.telling.is_under_way(application) => {
                now().saturating_add(SOON)
            }
            Account::Discord { .. } | Account::Slack { .. } => due,
        };
        Ok((!is_told).then(|| due.max(not_before)))
    }

    /// Tells Discord. It tries the address out at once, which ends here as any other request does.
    pub(crate) async fn register_discord(&self, term: &Term) -> Outcome<()> {
        let tenant = Tenant {
            asset: term.domain.asset,
            owner: term.domain.owner,
        };
        let row = self.store.edge_channel(tenant.owner, CHANNEL)?;
        let Some(Account::Discord { application, .. }) = row.map(|row| row.account) else {
            return Ok(());
        };
        let Some(word) = self.telling.begin(&application) else {
            return Ok(());
        };
        let (url, mark) = self.discord_url(&tenant)?;
        let told = match self.own_sealed(&tenant, EdgeSecret::DiscordToken.as_str())? {
            OwnSecret::Value(token) => {
                let base = settings::hosts(&self.env)?.discord_api().to_owned();
                let endpoint = json!({ "interactions_endpoint_url": url.expose() });
                tell(&base, &token, &application, &commands(), &endpoint).await
            }
            OwnSecret::Nothing | OwnSecret::Unreadable => {
                Err(Failure::internal("the bot's token can't be opened"))
            }
        };
        drop(word);
        if let Err(failure) = &told {
            self.log(failure);
        }
        // It may have been changed, or be gone, since Discord was asked.
        let row = self.store.edge_channel(tenant.owner, CHANNEL)?;
        let is_same = |row: &EdgeRow| matches!(&row.account, Account::Discord { application: it, .. } if *it == application);
        let Some(row) = row
            .filter(is_same)
            .filter(|_| self.life().is_ok_and(|life| life.tenure == term.tenure))
        else {
            return Ok(());
        };
        let attempts = row.attempts.saturating_add(1);
        let row = match told {
            Ok(()) => EdgeRow {
                registered: Some(mark),
                attempts: 0,
                register_at: None,
                problem: None,
                ..row
            },
            Err(_) => EdgeRow {
                attempts,
                register_at: Some(retry_at(attempts, now())),
                problem: Some(NOT_TOLD.to_owned()),
                ..row
            },
        };
        self.store.save_edge_channel(tenant.owner, CHANNEL, &row)
    }

    /// What has Discord send no more for the application that there is now, to be called when that is another or gone. The
    /// token lives on in memory alone, for as long as it is tried.
    pub(crate) fn discord_farewell(
        &self,
        tenant: &Tenant,
    ) -> Outcome<Option<impl FnOnce(&Self) + use<>>> {
        let Some(row) = self.store.edge_channel(tenant.owner, CHANNEL)? else {
            return Ok(None);
        };
        let Account::Discord { application, .. } = row.account else {
            return Ok(None);
        };
        // It may have the command alone.
        let is_half_told = row.registered.is_none();
        let name = EdgeSecret::DiscordToken.as_str();
        let OwnSecret::Value(token) = self.own_sealed(tenant, name)? else {
            return Ok(None);
        };
        let base = settings::hosts(&self.env)?.discord_api().to_owned();
        let (store, telling) = (self.store.clone(), self.telling.clone());
        let (storage, asset) = (self.state.storage(), tenant.asset);
        Ok(Some(move |agent: &Self| {
            agent.state.wait_until(async move {
                // It may be connected again by now, by its next owner as well.
                let present = || -> Outcome<Option<(Wallet, EdgeRow)>> {
                    let Some(domain) = store.domain()? else {
                        return Ok(None);
                    };
                    let row = store.edge_channel(domain.owner, CHANNEL)?;
                    let row = row.filter(|row| matches!(&row.account, Account::Discord { application: it, .. } if *it == application));
                    Ok(row.map(|row| (domain.owner, row)))
                };
                let is_back = async || {
                    while telling.is_under_way(&application) {
                        Delay::from(Duration::from_secs(u64::from(SOON.get()))).await;
                    }
                    Ok(present()?.is_some())
                };
                let nothing = json!({ "interactions_endpoint_url": null });
                let none = json!([]);
                let leave = async || {
                    let word = telling.begin(&application);
                    let _word = word.ok_or_else(|| how("farewell", "waits for what is said"))?;
                    let said = whose(&base, &token).await?;
                    let address = said.get("interactions_endpoint_url");
                    // What its owner has set elsewhere is none of this agent's to clear.
                    let is_ours = match address.and_then(Value::as_str) {
                        Some(address) => leads_to(address, CHANNEL.as_str(), asset),
                        None => is_half_told,
                    };
                    match is_ours {
                        true => tell(&base, &token, &application, &none, &nothing).await,
                        false => Ok(()),
                    }
                };
                let entry = |told| Entry::ApplicationLeft { told };
                if !take_leave(&store, is_back, leave, entry).await {
                    return;
                }
                let say_again = || match present()? {
                    Some((owner, row)) => {
                        let row = EdgeRow {
                            registered: None,
                            register_at: Some(now().saturating_add(AGAIN)),
                            ..row
                        };
                        store.save_edge_channel(owner, CHANNEL, &row)
                    }
                    None => Ok(()),
                };
                if let Err(failure) = say_again() {
                    log(&failure);
                }
                // Else the next look sees it.
                let at_once = ScheduledTime::new(js_sys::Date::new_0());
                let _ = storage.set_alarm(at_once).await;
            });
        }))
    }
}

/// Sets an application's commands, and where Discord sends what people ask.
async fn tell(
    base: &str,
    token: &Secret,
    application: &str,
    commands: &Value,
    endpoint: &Value,
) -> Outcome<()> {
    for (what, method, path, body) in [
        (
            "commands",
            Method::Put,
            format!("/applications/{application}/commands"),
            commands,
        ),
        (
            "address",
            Method::Patch,
            "/applications/@me".to_owned(),
            endpoint,
        ),
    ] {
        let (told, seen) = call(
            what,
            Call {
                base,
                method,
                path: Secret::new(path),
                token: Some(token),
                body: Some(body),
            },
        )
        .await;
        if !matches!(told, Told::Done(_)) {
            return seen;
        }
    }
    Ok(())
}
