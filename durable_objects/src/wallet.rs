//! The agent's wallet: what it holds, transactions that are prepared for the owner to sign, and those that are passed on signed.
//! What may be prepared and passed on is decided in `multiclaw_core::wallet`.

use core::cell::RefCell;

use multiclaw_core::encoding::base64;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::{Address, Asset, ProposalId, Wallet};
use multiclaw_core::pda::asset_signer;
use multiclaw_core::proposal::{gone, over};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::Seconds;
use multiclaw_core::transaction::unsigned;
use multiclaw_core::wallet::WalletTransaction;
use multiclaw_core::wallet::chain::{self, Landed};
use multiclaw_core::wallet::plan::Plan;
use multiclaw_core::wallet::prepare::{EXECUTE_FEE, Parties, affordable, looked_at, prepare};
use multiclaw_core::wallet::relay::{self, Claimed};
use multiclaw_core::wallet::token::{Mint, TokenProgram};
use multiclaw_core::wallet::view::{
    FeeView, PreparedView, SHOWN_TOKENS, SentView, TokenView, TransactionList, TransactionView,
    WalletView,
};
use serde_json::Value;

use crate::Agent;
use crate::port::{Outcome, now};
use crate::settings;
use crate::solana::{ask_all, ask_any};
use crate::store::Domain;

/// A reading of what the wallet holds is shown again so long: a page that looks often costs the endpoints no more.
const SHOWN_AGAIN: Seconds = Seconds::new(5);

/// What was last read of what the wallet holds, in memory.
pub type LastRead = RefCell<Option<WalletView>>;

impl Agent {
    pub(crate) async fn wallet(&self, domain: &Domain) -> Outcome<WalletView> {
        let last = self.wallet.borrow().clone();
        if let Some(mut view) = last {
            let age = now().since(view.read_at);
            if now() >= view.read_at && age < SHOWN_AGAIN.as_duration() {
                view.age = age.as_secs();
                return Ok(view);
            }
        }
        self.limits.wallet()?;
        let view = self.read_wallet(domain).await?;
        self.wallet.replace(Some(view.clone()));
        Ok(view)
    }

    async fn read_wallet(&self, domain: &Domain) -> Outcome<WalletView> {
        let chain = settings::chain(&self.env)?;
        let read_at = now();
        let address = wallet_of(&domain.asset)?;
        let mut questions = vec![chain::accounts_question(&[address], None)];
        for program in TokenProgram::ALL {
            questions.push(chain::tokens_question(&address, program));
        }
        let results = ask_all(&chain, questions).await?;
        let mut slots = Vec::new();
        let mut values = results.iter().filter_map(|result| {
            let (slot, value) = chain::contextual(result)?;
            slots.push(slot);
            Some(value)
        });
        let own = values.next().and_then(chain::accounts).unwrap_or_default();
        let lamports = own.iter().flatten().next().map_or(0, |it| it.lamports);
        // Anybody can make empty accounts for the wallet: what holds something comes first.
        let (mut held, mut empty) = (Vec::new(), Vec::new());
        for (value, program) in values.zip(TokenProgram::ALL) {
            for (place, account) in chain::tokens(value).unwrap_or_default() {
                let list = if account.base_units > 0 {
                    &mut held
                } else {
                    &mut empty
                };
                list.push((program, place, account));
            }
        }
        held.append(&mut empty);
        let more = held.len().saturating_sub(SHOWN_TOKENS);
        held.truncate(SHOWN_TOKENS);

        let mut minted = Vec::new();
        if !held.is_empty() {
            let mints: Vec<Address> = held.iter().map(|(_, _, account)| account.mint).collect();
            let question = chain::accounts_question(&mints, Some(Mint::READ_LEN));
            let results = ask_all(&chain, vec![question]).await?;
            let value = results.first().and_then(chain::contextual);
            minted = value
                .and_then(|(_, value)| chain::accounts(value))
                .unwrap_or_default();
        }
        let slot = slots.into_iter().min().unwrap_or_default();
        let mut view = WalletView::new(address, &domain.name, lamports, slot, read_at);
        view.more_tokens = more;
        for ((program, place, account), minted) in held.iter().zip(minted) {
            let mint = minted.filter(|it| it.program == program.address());
            let mint = mint.and_then(|it| Mint::read_plain(&it.data));
            let decimals = mint.map(|it| it.decimals);
            view.tokens
                .push(TokenView::new(*place, *program, account, decimals));
        }
        Ok(view)
    }

    /// Prepares a transaction. What the owner is told of it is read from the bytes that they are to sign, and it is remembered
    /// before they get it. One of a proposal is that proposal's for good.
    pub(crate) async fn prepare(
        &self,
        tenant: &Tenant,
        body: &str,
        proposal: Option<ProposalId>,
    ) -> Outcome<PreparedView> {
        let body: Value = serde_json::from_str(body)
            .map_err(|_| Problem::new(Code::MalformedBody, "The body must be one JSON object."))?;
        let plan = Plan::parse(&body)?;
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        let parties = Parties {
            asset: tenant.asset,
            owner: tenant.owner,
            wallet: wallet_of(&tenant.asset)?,
        };
        let recipient = plan.recipient();
        let questions = vec![
            chain::accounts_question(&looked_at(&plan, &parties), None),
            chain::blockhash_question(),
            chain::rent_question(0),
        ];
        let results = ask_all(&chain, questions).await?;
        let [accounts, blockhash, rent] = results.as_slice() else {
            return Err(unreadable());
        };
        let found = chain::contextual(accounts).and_then(|(_, value)| chain::accounts(value));
        let found = found.ok_or_else(unreadable)?;
        let (blockhash, last_height) = chain::blockhash(blockhash).ok_or_else(unreadable)?;
        let rent = rent.as_u64().ok_or_else(unreadable)?;

        let prepared = prepare(plan, &parties, &found, rent)?;
        let transaction = WalletTransaction {
            asset: tenant.asset,
            collection: chain.collection,
            owner: tenant.owner,
            blockhash,
            creates: prepared.creates,
            operation: prepared.operation,
        };
        let too_long = || {
            Problem::value(
                "data",
                "be shorter, or use fewer accounts: it fits into no transaction",
            )
        };
        let message = transaction.write().ok_or_else(too_long)?;
        let decoded = WalletTransaction::read(&message)
            .map_err(|error| Failure::internal(format!("a prepared transaction: {error}")))?;

        let mut questions = vec![chain::fee_question(&message)];
        if let Some(new) = decoded.creates {
            questions.push(chain::rent_question(new.program.account_len()));
        }
        let results = ask_all(&chain, questions).await?;
        let network = results
            .first()
            .and_then(chain::fee)
            .ok_or_else(unreadable)?;
        let rent = results.get(1).and_then(Value::as_u64).unwrap_or(0);
        let total = network.saturating_add(EXECUTE_FEE).saturating_add(rent);
        affordable(&found, total)?;

        // The asset may have moved while the chain was asked.
        if self
            .store
            .domain()?
            .is_none_or(|domain| domain.owner != tenant.owner)
        {
            return Err(Problem::not_yours().into());
        }
        // Or the proposal was decided on.
        if let Some(id) = proposal {
            let row = self.store.proposal(tenant.owner, id, now())?;
            row.ok_or_else(gone)?;
        }
        let summary = decoded.summary(recipient);
        let hash = relay::hash(&message);
        let expires_at = now().saturating_add(relay::LIFETIME);
        self.store.add_prepared(
            tenant.owner,
            &hash,
            &summary.join("\n"),
            proposal,
            now(),
            expires_at,
        )?;
        Ok(PreparedView {
            transaction: base64(&unsigned(&message)),
            chain: chain.cluster,
            blockhash,
            last_valid_block_height: last_height,
            expires_at,
            fee: FeeView {
                network: network.to_string(),
                program: EXECUTE_FEE.to_string(),
                rent: rent.to_string(),
                total: total.to_string(),
            },
            summary,
            notes: prepared.notes,
        })
    }

    /// Passes on what was prepared here, to the byte, for the tenant who signed it, and nothing else. The same again is passed on
    /// again: the network carries it out once.
    pub(crate) async fn relay(&self, tenant: &Tenant, text: &str) -> Outcome<SentView> {
        let claimed = Claimed::parse(text)?;
        let hash = relay::hash(claimed.message());
        let row = self.store.prepared(tenant.owner, &hash)?;
        let row = row.ok_or_else(relay::not_prepared)?;
        let signature = claimed.signed_by(&tenant.owner)?.text();
        if row.expires_at() <= now() {
            return Err(relay::too_old().into());
        }
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        // Before it is sent: whatever ends this, its owner finds what became of it. Of a proposal's transactions one is sent.
        if !self
            .store
            .mark_sent(tenant.owner, &row, &signature, now())?
        {
            return Err(over().into());
        }
        self.wallet.replace(None);
        let taken = ask_any(&chain, chain::send_question(&claimed.transaction)).await?;
        taken.ok_or_else(relay::would_fail)?;
        Ok(SentView { signature })
    }

    /// The tenant's transactions, with what became of those that were passed on.
    pub(crate) async fn transactions(&self, owner: Wallet) -> Outcome<TransactionList> {
        let rows = self.store.all_prepared(owner)?;
        let open = rows.iter().filter(|row| row.state.is_open());
        let open: Vec<String> = open.filter_map(|row| row.signature.clone()).collect();
        let mut landed = Vec::new();
        if !open.is_empty() {
            self.limits.wallet()?;
            let chain = settings::chain(&self.env)?;
            let results = ask_all(&chain, vec![chain::statuses_question(&open)]).await?;
            let value = results.first().and_then(chain::contextual);
            landed = value
                .and_then(|(_, value)| chain::statuses(value))
                .unwrap_or_default();
        }
        let mut landed = landed.into_iter();
        let mut transactions = Vec::new();
        for row in rows {
            let found = if row.state.is_open() {
                landed.next()
            } else {
                None
            };
            let state = row
                .state
                .after(found.unwrap_or(Landed::Unknown), row.expires_at(), now());
            if state != row.state && state.is_settled() {
                self.store.settle_prepared(owner, &row.hash, state)?;
            }
            transactions.push(TransactionView {
                state,
                prepared_at: row.prepared_at(),
                expires_at: row.expires_at(),
                summary: row.summary.lines().map(str::to_owned).collect(),
                signature: row.signature,
            });
        }
        Ok(TransactionList { transactions })
    }
}

/// What fitted a question is read again where it is used.
fn unreadable() -> Failure {
    Failure::internal("an answer of an RPC endpoint can't be read twice")
}

fn wallet_of(asset: &Asset) -> Outcome<Address> {
    let derived = asset_signer(asset).map(|(address, _)| address);
    derived.ok_or_else(|| Failure::internal("the asset has no signer"))
}
