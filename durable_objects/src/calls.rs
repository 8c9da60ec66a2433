//! What the Worker calls: login, ticket, and everything that an owner asks of the agent.

use core::time::Duration;

use futures_util::future::select;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::hook::BotId;
use multiclaw_core::ids::{Asset, SessionId, SnapshotId};
use multiclaw_core::inbox::UpdateId;
use multiclaw_core::lifecycle::{Life, State, Wish};
use multiclaw_core::messages::{
    Call, Caller, Envelope, Login, NewSession, OpenView, OwnerCall, SessionList, SessionView,
    SnapshotList,
};
use multiclaw_core::model::SettingsView;
use multiclaw_core::renewal::{Effect, Renewal};
use multiclaw_core::secrets::{SecretName, SecretStatus};
use multiclaw_core::snapshot::Snapshot;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::ticket;
use worker::{Delay, Response};

use crate::Agent;
use crate::choices::Changes;
use crate::edge::{Given, Sent};
use crate::port::{Outcome, now, random};
use crate::reply::{empty, json};
use crate::settings;
use crate::store::{Domain, SessionRow};
use crate::watch::Care;

/// How long a request for a snapshot waits for it; taking it goes on regardless.
const SNAPSHOT_WAIT: u32 = 300;
/// It is told when there is something to see; but nobody tells it where the tenant was evicted.
const POLL: Duration = Duration::from_secs(1);

impl Agent {
    pub(crate) async fn call(&self, envelope: Envelope) -> Outcome<Response> {
        match envelope.call {
            Call::Login(login) => self.log_in(envelope.asset, login).await,
            Call::Recheck => self.recheck().await.map(|()| empty()),
            Call::Redeem { ticket } => self.redeem(envelope.asset, &ticket).await,
            Call::Telegram {
                owner,
                bot,
                id,
                update,
            } => {
                let id = UpdateId::new(id).ok_or_else(Problem::sign_in)?;
                self.take_update(owner, BotId::new(bot), id, &update).await
            }
            Call::Edge {
                channel,
                owner,
                by_old_door,
                timestamp,
                signature,
                body,
            } => {
                let sent = Sent {
                    owner,
                    by_old_door,
                    timestamp,
                    signature,
                    body,
                };
                self.take_sent(channel, sent).await
            }
            Call::Propose(start, body) => self.propose(&start, body.as_deref()),
            Call::Owner(caller, call) if caller.asset == envelope.asset => {
                self.owner_call(caller, call).await
            }
            Call::Owner(..) => Err(Problem::not_yours().into()),
        }
    }

    async fn log_in(&self, asset: Asset, login: Login) -> Outcome<Response> {
        let known = self.store.domain()?;
        // The Worker read another owner than the one known here. Two logins may race around a transfer: what is read
        // here, later, decides. An equal reading is older than this moment: it makes nothing here fresher.
        if known.is_some_and(|known| known.owner != login.owned.owner)
            && self.read_owner(asset).await?.owner != login.owned.owner
        {
            return Err(Problem::not_yours().into());
        }
        let id = SessionId::from_random(random()?);
        let created = self.store.log_in(asset, &login, id, now())?;
        let expires_at = created.ok_or_else(|| {
            Problem::new(
                Code::ChallengeInvalid,
                "This challenge was used before. Ask for a new one and sign it.",
            )
        })?;
        json(
            200,
            &NewSession {
                id,
                wallet: login.owned.owner,
                domain: login.owned.name,
                expires_at,
                epoch: Some(self.life()?.tenure),
            },
        )
    }

    async fn redeem(&self, asset: Asset, text: &str) -> Outcome<Response> {
        let hash = ticket::hash(text).ok_or_else(ticket::spent)?;
        let spent = self.store.spend_ticket(&hash, now())?;
        let id = spent.ok_or_else(ticket::spent)?;
        let wallet = self
            .store
            .session(id, now())?
            .ok_or_else(Problem::sign_in)?
            .wallet;
        let (session, domain) = self
            .admit(
                Caller {
                    asset,
                    session: id,
                    wallet,
                    epoch: None,
                },
                Care::Bounded,
            )
            .await?;
        json(
            200,
            &NewSession {
                id,
                wallet,
                domain: domain.name,
                expires_at: session.expires_at(),
                epoch: Some(self.life()?.tenure),
            },
        )
    }

    async fn owner_call(&self, caller: Caller, call: OwnerCall) -> Outcome<Response> {
        let (session, domain) = self.admit(caller, care_of(&call)).await?;
        self.limits.api(settings::requests_per_second(&self.env)?)?;
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        match call {
            OwnerCall::Session => json(200, &session_view(&session, domain)),
            OwnerCall::Logout => self.end_session(caller, caller.session),
            OwnerCall::ListSessions => {
                let rows = self.store.sessions(caller.wallet, now())?;
                let entries = rows.iter().map(|row| row.entry(caller.session));
                json(
                    200,
                    &SessionList {
                        sessions: entries.collect(),
                    },
                )
            }
            OwnerCall::EndSession { id } => self.end_session(caller, id),
            OwnerCall::EndAllSessions => {
                for session in self.store.sessions(caller.wallet, now())? {
                    self.end_session(caller, session.id)?;
                }
                Ok(empty())
            }
            OwnerCall::Status => self.answer_status(200),
            OwnerCall::Start => self.ask(Wish::Run).await,
            OwnerCall::Stop => self.ask(Wish::Stop).await,
            OwnerCall::Restart => self.ask(Wish::Restart).await,
            OwnerCall::Events => {
                let status = self.status(&self.life()?)?.ok_or_else(Problem::sign_in)?;
                let stream = self.listeners.listen(caller.session, &status)?;
                // From now on somebody is there who must be out when the asset moves.
                self.wake_at(now()).await?;
                Ok(stream)
            }
            OwnerCall::Open => self.open(caller, &domain),
            OwnerCall::ListSnapshots => json(
                200,
                &SnapshotList {
                    snapshots: self
                        .store
                        .snapshots(domain.owner)?
                        .into_iter()
                        .map(Into::into)
                        .collect(),
                },
            ),
            OwnerCall::TakeSnapshot => json(201, &self.ask_snapshot(&domain).await?),
            OwnerCall::RestoreSnapshot { id } => self.ask_restore(&domain, id).await,
            OwnerCall::DownloadSnapshot { id } => self.download(caller, &tenant, id).await,
            OwnerCall::DeleteSnapshot { id } => self.delete_archive(&tenant, id).await,
            OwnerCall::Logs => json(200, &self.show_log(domain.owner).await?),
            OwnerCall::Wakes => json(200, &self.timeline(domain.owner)?),
            OwnerCall::ListSecrets => json(200, &self.secret_list(&tenant)?),
            OwnerCall::PutSecret { name, value } => {
                let value = name.kind().parse_value(value)?;
                self.check_kept_out(&tenant, name, &value)?;
                let renewal = match name {
                    SecretName::Telegram => {
                        self.set_token(&tenant, &value, None)?;
                        self.wake_at(now()).await?;
                        Renewal::Restart
                    }
                    _ => {
                        self.put_secret(&tenant, name, &value)?;
                        Renewal::Reload
                    }
                };
                let effect = Some(self.changed(renewal).await?);
                let secret = self.secret_status(&tenant, name.kind())?;
                json(200, &SecretStatus { effect, ..secret })
            }
            OwnerCall::DeleteSecret { name } => {
                let removed = self.store.secret(tenant.owner, name)?.is_some();
                let effect = match (name, removed) {
                    (SecretName::Telegram, _) => self.delete_channel(&tenant).await?,
                    (_, true) => {
                        self.store.delete_secret(tenant.owner, name)?;
                        self.changed(Renewal::Restart).await?
                    }
                    (_, false) => Effect::NextStart,
                };
                let effect = Some(effect);
                let secret = self.secret_status(&tenant, name.kind())?;
                json(200, &SecretStatus { effect, ..secret })
            }
            OwnerCall::ImportSecrets => {
                let list = self.import_secrets(&tenant).await?;
                if list
                    .imported
                    .as_ref()
                    .is_some_and(|names| !names.is_empty())
                {
                    self.changed(Renewal::Reload).await?;
                }
                json(200, &list)
            }
            OwnerCall::Settings => json(200, &self.settings_view(&tenant)?),
            OwnerCall::PutSettings {
                model,
                keeps_model,
                keyless,
            } => {
                let model = (!keeps_model).then_some(model);
                let changes = Changes { model, keyless };
                let (settings, renewal) = self.put_settings(&tenant, changes)?;
                let effect = Some(self.changed(renewal).await?);
                json(200, &SettingsView { effect, ..settings })
            }
            OwnerCall::ListPairing => json(200, &self.pairing(&tenant, None).await?),
            OwnerCall::AnswerPairing { id, approved } => {
                json(200, &self.pairing(&tenant, Some((id, approved))).await?)
            }
            OwnerCall::ListChannels => json(200, &self.channels(&tenant)?),
            OwnerCall::PutChannel { token, admission } => {
                let token = token.map(|token| SecretName::Telegram.kind().parse_token(token));
                let token = token.transpose()?;
                json(200, &self.put_channel(&tenant, token, admission).await?)
            }
            OwnerCall::DeleteChannel => json(200, &self.remove_channel(&tenant).await?),
            OwnerCall::PutEdgeChannel {
                channel,
                token,
                signing_secret,
                application,
                public_key,
                admission,
            } => {
                let given = Given {
                    token,
                    signing_secret,
                    application,
                    public_key,
                };
                let put = self.put_edge_channel(&tenant, channel, given, admission);
                json(200, &put.await?)
            }
            OwnerCall::DeleteEdgeChannel { channel } => {
                json(200, &self.delete_edge_channel(&tenant, channel)?)
            }
            OwnerCall::ShutOut { id } => json(200, &self.shut_out(&tenant, id)?),
            OwnerCall::Usage => json(200, &self.usage(domain.owner)?),
            OwnerCall::Wallet => json(200, &self.wallet(&domain).await?),
            OwnerCall::ListTransactions => json(200, &self.transactions(domain.owner).await?),
            OwnerCall::PrepareTransaction { plan } => {
                json(201, &self.prepare(&tenant, &plan, None).await?)
            }
            OwnerCall::SendTransaction { transaction } => {
                json(202, &self.relay(&tenant, &transaction).await?)
            }
            OwnerCall::ListProposals => json(200, &self.proposals(domain.owner)?),
            OwnerCall::PrepareProposal { id } => {
                json(201, &self.prepare_proposal(&tenant, id).await?)
            }
            OwnerCall::RejectProposal { id } => self.reject_proposal(domain.owner, id),
        }
    }

    fn end_session(&self, caller: Caller, id: SessionId) -> Outcome<Response> {
        if !self.store.end_session(id, caller.wallet, now())? {
            return Err(Problem::new(Code::NotFound, "There is no such session.").into());
        }
        self.disconnect(|session| session != id);
        Ok(empty())
    }

    fn answer_status(&self, code: u16) -> Outcome<Response> {
        json(
            code,
            &self.status(&self.life()?)?.ok_or_else(Problem::sign_in)?,
        )
    }

    /// Records a wish and lets the alarm do it.
    async fn ask(&self, wish: Wish) -> Outcome<Response> {
        // What the alarm could not act on must not be acknowledged.
        settings::policy(&self.env)?;
        settings::snapshots_kept(&self.env)?;
        let mut life = self.life()?;
        life.ask(wish, now());
        self.begin(&mut life)?;
        self.wake_at(now()).await?;
        self.answer_status(202)
    }

    /// Records that something changed that a start injects, and lets the alarm bring it to an agent that runs.
    pub(crate) async fn changed(&self, renewal: Renewal) -> Outcome<Effect> {
        let mut life = self.life()?;
        let effect = life.change(renewal, self.container()?.running());
        self.save_life(&life)?;
        if life.renewal.is_some() {
            self.wake_at(now()).await?;
        }
        Ok(effect)
    }

    /// Shows a start as begun from the moment that it was asked for.
    pub(crate) fn begin(&self, life: &mut Life) -> Outcome<()> {
        let resting =
            matches!(life.state, State::Asleep | State::Failed) && !self.container()?.running();
        if matches!(life.wish, Wish::Run | Wish::Restart) && resting {
            life.begin(now());
        }
        self.save_life(life)
    }

    /// The ticket goes in the fragment, which no server and no log gets.
    fn open(&self, caller: Caller, domain: &Domain) -> Outcome<Response> {
        let text = ticket::text(random()?);
        let hash =
            ticket::hash(&text).ok_or_else(|| Failure::internal("a fresh ticket is no ticket"))?;
        self.store.add_ticket(
            &hash,
            caller.session,
            now(),
            now().saturating_add(ticket::LIFETIME),
        )?;
        let origin = settings::hosts(&self.env)?.agent_origin(domain.asset);
        json(
            200,
            &OpenView {
                url: format!("{origin}/.edge/enter#{text}"),
            },
        )
    }

    async fn ask_snapshot(&self, domain: &Domain) -> Outcome<Snapshot> {
        let mut life = self.life()?;
        if life.state != State::Running || life.wish != Wish::Run {
            return Err(Problem::new(
                Code::WrongState,
                "A snapshot can be taken while the agent runs. Start it first.",
            )
            .into());
        }
        // One that waits to be begun will hold all that happened until now; one under way may not.
        let id = match life.snapshot {
            Some(id) => id,
            None => SnapshotId::from_random(random()?),
        };
        life.snapshot = Some(id);
        life.last_active = now();
        self.save_life(&life)?;
        self.wake_at(now()).await?;
        let deadline = now().saturating_add(multiclaw_core::time::Seconds::new(SNAPSHOT_WAIT));
        while now() < deadline {
            let told = self.waiting.next();
            if let Some(taken) = self
                .store
                .snapshots(domain.owner)?
                .into_iter()
                .find(|snapshot| snapshot.id == id)
            {
                return Ok(taken);
            }
            if !self.life()?.is_taking(id) {
                break;
            }
            select(told, Delay::from(POLL)).await;
        }
        Err(Failure::new(
            Code::StorageUnavailable,
            "The snapshot could not be taken. The agent goes on; try again.",
            "snapshot on demand failed",
        ))
    }

    async fn ask_restore(&self, domain: &Domain, id: SnapshotId) -> Outcome<Response> {
        if !self
            .store
            .snapshots(domain.owner)?
            .iter()
            .any(|snapshot| snapshot.id == id)
        {
            return Err(Problem::new(Code::NotFound, "There is no such snapshot.").into());
        }
        let mut life = self.life()?;
        life.restore = Some(id);
        self.store.save_life(&life)?;
        self.ask(Wish::Restart).await
    }
}

fn session_view(session: &SessionRow, domain: Domain) -> SessionView {
    SessionView {
        asset: domain.asset,
        wallet: session.wallet,
        domain: domain.name,
        expires_at: session.expires_at(),
    }
}

/// What touches secrets, snapshots, the wallet or a start is checked on the chain afresh; what only ends a session needs no chain.
const fn care_of(call: &OwnerCall) -> Care {
    match call {
        OwnerCall::Logout | OwnerCall::EndSession { .. } | OwnerCall::EndAllSessions => Care::Known,
        OwnerCall::Session
        | OwnerCall::ListSessions
        | OwnerCall::Status
        | OwnerCall::Stop
        | OwnerCall::Events
        | OwnerCall::Open
        | OwnerCall::Wakes
        | OwnerCall::Usage => Care::Bounded,
        OwnerCall::Start
        | OwnerCall::Restart
        | OwnerCall::ListSnapshots
        | OwnerCall::TakeSnapshot
        | OwnerCall::RestoreSnapshot { .. }
        | OwnerCall::DownloadSnapshot { .. }
        | OwnerCall::DeleteSnapshot { .. }
        | OwnerCall::Logs
        | OwnerCall::ListSecrets
        | OwnerCall::PutSecret { .. }
        | OwnerCall::DeleteSecret { .. }
        | OwnerCall::ListPairing
        | OwnerCall::AnswerPairing { .. }
        | OwnerCall::ListChannels
        | OwnerCall::PutChannel { .. }
        | OwnerCall::DeleteChannel
        | OwnerCall::PutEdgeChannel { .. }
        | OwnerCall::DeleteEdgeChannel { .. }
        | OwnerCall::ShutOut { .. }
        | OwnerCall::ImportSecrets
        | OwnerCall::Settings
        | OwnerCall::PutSettings { .. }
        | OwnerCall::Wallet
        | OwnerCall::ListTransactions
        | OwnerCall::PrepareTransaction { .. }
        | OwnerCall::SendTransaction { .. }
        | OwnerCall::ListProposals
        | OwnerCall::PrepareProposal { .. }
        | OwnerCall::RejectProposal { .. } => Care::Fresh,
    }
}
