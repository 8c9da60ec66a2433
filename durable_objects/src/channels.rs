//! The tenant's channel at Telegram: its token, who may write, and the webhook that Telegram is told of. What Telegram can't be told at
//! once the alarm tells it later.

use core::cell::Cell;
use core::time::Duration;

use multiclaw_core::audit::Entry;
use multiclaw_core::channel::{
    Admission, Channel, ChannelList, ChannelState, ChannelView, Setup, TELEGRAM,
};
use multiclaw_core::config::WebOrigin;
use multiclaw_core::door::leads_to;
use multiclaw_core::edge::EdgeChannel;
use multiclaw_core::error::{Failure, Problem};
use multiclaw_core::hook::{BotId, Door, Hook};
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::retry_at;
use multiclaw_core::renewal::{Effect, Renewal};
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::SecretName;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::{Seconds, Timestamp};
use serde_json::{Value, json};
use worker::{Delay, ScheduledTime};

use crate::Agent;
use crate::bot_api;
use crate::driver::Term;
use crate::port::{Outcome, log, now};
use crate::sealed::OwnSecret;
use crate::settings;
use crate::store::Store;

const NAME: SecretName = SecretName::Telegram;
const NOT_TOLD: &str = "Telegram could not be told where to send messages. It is tried again.";
/// Until a company is told once more, where a farewell that nobody waits for any more may have come after what it was told since.
pub(crate) const AGAIN: Seconds = Seconds::new(10);
/// Before each try to have a company forget a bot.
const FAREWELL_PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

impl Agent {
    pub(crate) fn channels(&self, tenant: &Tenant) -> Outcome<ChannelList> {
        let mut channels = vec![self.channel_view(tenant)?];
        for channel in EdgeChannel::ALL {
            channels.push(self.edge_view(tenant, channel)?);
        }
        Ok(ChannelList { channels })
    }

    fn channel_view(&self, tenant: &Tenant) -> Outcome<ChannelView> {
        let token = self.store.secret(tenant.owner, NAME)?;
        let channel = self
            .store
            .channel(tenant.owner)?
            .filter(|_| token.is_some());
        let state = match &channel {
            _ if token.is_none() => ChannelState::Off,
            Some(channel) if channel.registered.is_some() => ChannelState::Connected,
            _ => ChannelState::Connecting,
        };
        let admission = channel.as_ref().map(|it| it.admission.clone());
        let admission = admission.unwrap_or_default();
        Ok(ChannelView {
            name: TELEGRAM.to_owned(),
            state,
            prefix: token.map(|token| token.prefix),
            waiting: self.store.waiting_count(tenant.owner)?,
            last_message_at: channel.as_ref().and_then(|it| it.last_message_at),
            held_back_today: Some(
                channel
                    .as_ref()
                    .map_or(0, |it| it.strangers.held_back(now())),
            ),
            problem: channel.and_then(|it| it.problem),
            warning: admission.warning().map(str::to_owned),
            admission,
            effect: None,
            account: None,
            request_url: None,
            token_set_at: None,
            people: Vec::new(),
            application_id: None,
            public_key: None,
        })
    }

    /// Sets who may write, and the token where one is given.
    pub(crate) async fn put_channel(
        &self,
        tenant: &Tenant,
        token: Option<Secret>,
        admission: Admission,
    ) -> Outcome<ChannelView> {
        if let Some(token) = &token {
            let base = settings::hosts(&self.env)?.bot_api().to_owned();
            self.learn(token);
            bot_api::call(&base, token, "getMe", json!({})).await?;
            // Telegram may have taken its time, and the asset may have moved meanwhile.
            if self
                .store
                .domain()?
                .is_none_or(|it| it.owner != tenant.owner)
            {
                return Err(Problem::not_yours().into());
            }
            self.set_token(tenant, token, Some(admission))?;
        } else {
            let channel = self.store.channel(tenant.owner)?;
            let channel = channel
                .ok_or_else(|| Problem::field("token", "a bot's token, as there is none yet"))?;
            let channel = Channel {
                admission,
                ..channel
            };
            self.store.save_channel(tenant.owner, &channel)?;
        }
        let effect = self.changed(Renewal::Restart).await?;
        self.wake_at(now()).await?;
        Ok(ChannelView {
            effect: Some(effect),
            ..self.channel_view(tenant)?
        })
    }

    /// Seals a bot's token. Another bot's messages are none of the present one's.
    pub(crate) fn set_token(
        &self,
        tenant: &Tenant,
        token: &Secret,
        admission: Option<Admission>,
    ) -> Outcome<()> {
        let bot = BotId::of(token)
            .ok_or_else(|| Failure::internal("a token without a bot's number was taken"))?;
        let former = self.farewell(tenant)?;
        self.put_secret(tenant, NAME, token)?;
        let channel = match self.store.channel(tenant.owner)? {
            Some(channel) => {
                let admission = admission.unwrap_or_else(|| channel.admission.clone());
                channel.changed(bot, admission)
            }
            None => Channel::new(bot, admission.unwrap_or_default()),
        };
        self.store.save_channel(tenant.owner, &channel)?;
        // Of the same bot the webhook stays.
        former.into_iter().for_each(|leave| leave(self));
        Ok(())
    }

    /// Takes a channel away: the token is destroyed, what waits is dropped, and Telegram is told.
    pub(crate) async fn delete_channel(&self, tenant: &Tenant) -> Outcome<Effect> {
        let was_set = self.store.secret(tenant.owner, NAME)?.is_some();
        let former = self.farewell(tenant)?;
        self.store.delete_secret(tenant.owner, NAME)?;
        self.store.delete_channel(tenant.owner)?;
        former.into_iter().for_each(|leave| leave(self));
        match was_set {
            true => self.changed(Renewal::Restart).await,
            false => Ok(Effect::NextStart),
        }
    }

    pub(crate) async fn remove_channel(&self, tenant: &Tenant) -> Outcome<ChannelView> {
        let effect = self.delete_channel(tenant).await?;
        Ok(ChannelView {
            effect: Some(effect),
            ..self.channel_view(tenant)?
        })
    }

    /// What has Telegram send no more for the bot that there is now, to be called when that is another's or gone. The token
    /// lives on in memory alone, for as long as it is tried.
    pub(crate) fn farewell(&self, tenant: &Tenant) -> Outcome<Option<impl FnOnce(&Self) + use<>>> {
        let OwnSecret::Value(token) = self.own_secret(tenant, NAME)? else {
            return Ok(None);
        };
        let base = settings::hosts(&self.env)?.bot_api().to_owned();
        let (store, storage) = (self.store.clone(), self.state.storage());
        let asset = tenant.asset;
        Ok(Some(move |agent: &Self| {
            agent.state.wait_until(async move {
                // Its next owner may have set the same bot's.
                let present = || -> Outcome<Option<(Wallet, Channel)>> {
                    let Some(domain) = store.domain()? else {
                        return Ok(None);
                    };
                    let channel = store.channel(domain.owner)?;
                    let channel = channel.filter(|it| Some(it.bot()) == BotId::of(&token));
                    Ok(channel.map(|it| (domain.owner, it)))
                };
                let is_back = async || Ok(present()?.is_some());
                let was_asked = Cell::new(false);
                let leave = async || {
                    let info = bot_api::call(&base, &token, "getWebhookInfo", json!({})).await?;
                    let url = info.get("url").and_then(Value::as_str);
                    // What the bot was given elsewhere is none of this agent's to take away.
                    if !url.is_some_and(|url| leads_to(url, TELEGRAM, asset)) {
                        return Ok(());
                    }
                    was_asked.set(true);
                    let told = bot_api::call(&base, &token, "deleteWebhook", json!({})).await;
                    told.map(drop)
                };
                let entry = |told| Entry::WebhookRemoved { told };
                let may_come_yet = take_leave(&store, is_back, leave, entry).await;
                if !was_asked.get() {
                    return;
                }
                // Telegram may have been told of the same bot's while it was asked to forget: what is said last counts.
                let say_again = || -> Outcome<bool> {
                    let Some((owner, channel)) = present()? else {
                        return Ok(false);
                    };
                    let pause = if may_come_yet { AGAIN } else { Seconds::new(0) };
                    let channel = Channel {
                        registered: None,
                        register_at: Some(now().saturating_add(pause)),
                        ..channel
                    };
                    store.save_channel(owner, &channel).map(|()| true)
                };
                match say_again() {
                    // Else the next look sees it.
                    Ok(true) => {
                        let at_once = ScheduledTime::new(js_sys::Date::new_0());
                        let _ = storage.set_alarm(at_once).await;
                    }
                    Ok(false) => {}
                    Err(failure) => log(&failure),
                }
            });
        }))
    }

    /// Keeps whom the agent has let in: they wake it, however many strangers write.
    pub(crate) fn learn_let_in(&self, owner: Wallet, told: Option<&[String]>) -> Outcome<()> {
        let (Some(told), Some(mut channel)) = (told, self.store.channel(owner)?) else {
            return Ok(());
        };
        match channel.strangers.learn(told) {
            true => self.store.save_channel(owner, &channel),
            false => Ok(()),
        }
    }

    fn hook(&self, tenant: &Tenant, bot: BotId) -> Outcome<Hook> {
        let door = Door {
            tenant: *tenant,
            bot,
        };
        let hooks = settings::sealing_keys(&self.env)?.hooks(&door);
        hooks
            .map(|(current, _)| current)
            .map_err(|error| Failure::internal(format!("webhook: {error}")))
    }

    /// How a start sets the channel up, and what opens the door for it.
    pub(crate) fn channel_setup(&self, tenant: &Tenant, token: &Secret) -> Outcome<(Setup, Hook)> {
        let bot = BotId::of(token).ok_or_else(|| Failure::internal("a token of no bot"))?;
        let hook = self.hook(tenant, bot)?;
        let hosts = settings::hosts(&self.env)?;
        let url = hook.url(hosts.primary().as_str(), tenant.asset);
        let channel = self.store.channel(tenant.owner)?;
        let setup = Setup {
            admission: channel.map(|it| it.admission).unwrap_or_default(),
            webhook_url: url.expose().to_owned(),
            api_root: hosts.telegram().map(WebOrigin::as_str).map(str::to_owned),
        };
        Ok((setup, hook))
    }

    /// The channel, which a version before these left as a token alone.
    fn channel_of(&self, tenant: &Tenant) -> Outcome<Option<Channel>> {
        if let Some(channel) = self.store.channel(tenant.owner)? {
            return Ok(Some(channel));
        }
        let OwnSecret::Value(token) = self.own_secret(tenant, NAME)? else {
            return Ok(None);
        };
        Ok(BotId::of(&token).map(|bot| Channel::new(bot, Admission::default())))
    }

    /// When Telegram is to be told of the webhook; `None` when it has it.
    pub(crate) fn registration_due(&self, tenant: &Tenant) -> Outcome<Option<Timestamp>> {
        let Some(channel) = self.channel_of(tenant)? else {
            return Ok(None);
        };
        let mark = self.mark(tenant, channel.bot())?;
        Ok(channel.registration_due(&mark, now()))
    }

    fn mark(&self, tenant: &Tenant, bot: BotId) -> Outcome<String> {
        let origin = settings::hosts(&self.env)?;
        let hook = self.hook(tenant, bot)?;
        Ok(hook.mark(origin.primary().as_str(), tenant.asset))
    }

    /// Tells Telegram, and Discord, where to send what people write.
    pub(crate) async fn register(&self, term: &Term) -> Outcome<()> {
        let tenant = Tenant {
            asset: term.domain.asset,
            owner: term.domain.owner,
        };
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now());
        if is_due(self.discord_due(&tenant)?) {
            self.register_discord(term).await?;
        }
        let channel = self.channel_of(&tenant)?;
        let Some(channel) = channel.filter(|_| self.registration_due(&tenant).is_ok_and(is_due))
        else {
            return Ok(());
        };
        let bot = channel.bot();
        let (hosts, hook) = (settings::hosts(&self.env)?, self.hook(&tenant, bot)?);
        let url = hook.url(hosts.primary().as_str(), tenant.asset);
        self.learn(&hook.header);
        self.learn(&hook.path.text());
        let farewell = self.farewell(&tenant)?;
        let told = match self.own_secret(&tenant, NAME)? {
            OwnSecret::Value(token) => {
                let params = json!({ "url": url.expose(), "secret_token": hook.header.expose() });
                bot_api::call(hosts.bot_api(), &token, "setWebhook", params).await
            }
            OwnSecret::Nothing | OwnSecret::Unreadable => {
                Err(Failure::internal("the bot's token can't be opened"))
            }
        };
        if let Err(failure) = &told {
            self.log(failure);
        }
        // It may have been changed, or be gone, since Telegram was asked.
        let present = self.channel_of(&tenant)?.filter(|it| it.bot() == bot);
        let Some(present) =
            present.filter(|_| self.life().is_ok_and(|it| it.tenure == term.tenure))
        else {
            // A farewell may have come to Telegram before.
            farewell.into_iter().for_each(|leave| leave(self));
            return Ok(());
        };
        let attempts = present.attempts.saturating_add(1);
        let channel = match told {
            Ok(_) => Channel {
                registered: Some(hook.mark(hosts.primary().as_str(), tenant.asset)),
                attempts: 0,
                register_at: None,
                problem: None,
                ..present
            },
            Err(_) => Channel {
                attempts,
                register_at: Some(retry_at(attempts, now())),
                problem: Some(NOT_TOLD.to_owned()),
                ..present
            },
        };
        self.store.save_channel(tenant.owner, &channel)
    }
}

/// Has a company told that it is to send no more, a few times until it has heard, unless what is left is back by then. What
/// came of it is in the audit. Gives whether it is back after a try that failed, and may yet come to pass.
pub(crate) async fn take_leave(
    store: &Store,
    is_back: impl AsyncFn() -> Outcome<bool>,
    tell: impl AsyncFn() -> Outcome<()>,
    entry: impl FnOnce(bool) -> Entry,
) -> bool {
    let (mut has_told, mut has_failed) = (false, false);
    for pause in FAREWELL_PAUSES {
        Delay::from(pause).await;
        if is_back().await.unwrap_or(true) {
            return has_failed;
        }
        match tell().await {
            Ok(()) => {
                has_told = true;
                break;
            }
            Err(failure) => {
                has_failed = true;
                log(&failure);
            }
        }
    }
    if let Err(failure) = store.audit(now(), &entry(has_told)) {
        log(&failure);
    }
    !has_told && is_back().await.unwrap_or(false)
}
