//! The agent's wallet: what it holds, transactions that are prepared for the owner to sign, and those that are passed on signed.
//! What may be prepared and passed on is decided in `multiclaw_core::wallet`.

use core::cell::RefCell;

use futures_util::future::{try_join, try_join3};
use multiclaw_core::config::Chain;
use multiclaw_core::encoding::base64;
use multiclaw_core::error::{Failure, Problem};
use multiclaw_core::ids::{Address, Asset, Wallet};
use multiclaw_core::pda::asset_signer;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::Seconds;
use multiclaw_core::transaction::unsigned;
use multiclaw_core::wallet::chain::{self, Landed};
use multiclaw_core::wallet::plan::Plan;
use multiclaw_core::wallet::prepare::{EXECUTE_FEE, Parties, affordable, looked_at, prepare};
use multiclaw_core::wallet::relay::{self, Claimed};
use multiclaw_core::wallet::token::{Mint, TokenAccount, TokenProgram};
use multiclaw_core::wallet::view::{
    FeeView, PreparedView, SHOWN_TOKENS, SentView, TokenView, TransactionList, TransactionState,
    TransactionView, WalletView,
};
use multiclaw_core::wallet::WalletTransaction;
use serde_json::Value;

use crate::Agent;
use crate::port::{Outcome, now};
use crate::settings;
use crate::solana::{self, ask_any};
use crate::store::{Domain, PreparedRow};

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
        let view = self.read_wallet(domain).await?;
        self.wallet.replace(Some(view.clone()));
        Ok(view)
    }

    async fn read_wallet(&self, domain: &Domain) -> Outcome<WalletView> {
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        let read_at = now();
        let address = wallet_of(&domain.asset)?;
        let [old, new] = TokenProgram::ALL;
        let (own, old_tokens, new_tokens) = try_join3(
            accounts(&chain, vec![address], None),
            tokens(&chain, address, old),
            tokens(&chain, address, new),
        )
        .await?;
        let mut held = old_tokens.1;
        held.extend(new_tokens.1);
        // Anybody can make empty accounts for the wallet: what holds something comes first.
        held.sort_by_key(|(_, _, account)| core::cmp::Reverse(account.base_units));
        let more = held.len().saturating_sub(SHOWN_TOKENS);
        held.truncate(SHOWN_TOKENS);
        let mints: Vec<Address> = held.iter().map(|(_, _, account)| account.mint).collect();
        let minted = match mints.is_empty() {
            true => Vec::new(),
            false => accounts(&chain, mints, Some(Mint::READ_LEN)).await?.1,
        };
        let lamports = own.1.into_iter().flatten().next().map_or(0, |it| it.lamports);
        let slot = own.0.min(old_tokens.0).min(new_tokens.0);
        let mut view = WalletView::new(address, &domain.name, lamports, slot, read_at);
        view.more_tokens = more;
        view.tokens = held
            .iter()
            .zip(minted)
            .map(|((program, place, account), minted)| {
                let mint = minted.filter(|it| it.program == program.address());
                let mint = mint.and_then(|it| Mint::read_plain(&it.data));
                TokenView::new(*place, *program, account, mint.map(|it| it.decimals))
            })
            .collect();
        Ok(view)
    }

    /// Prepares a transaction. What the owner is told of it is read from the bytes that they are to sign, and it is remembered
    /// before they get it.
    pub(crate) async fn prepare(&self, tenant: &Tenant, plan: Plan) -> Outcome<PreparedView> {
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        let parties = Parties {
            asset: tenant.asset,
            owner: tenant.owner,
            wallet: wallet_of(&tenant.asset)?,
        };
        let recipient = plan.recipient();
        let asked = looked_at(&plan, &parties);
        let ((_, found), (blockhash, last_height), rent) = try_join3(
            accounts(&chain, asked, None),
            blockhash(&chain),
            lamports(&chain, chain::rent_request(0)),
        )
        .await?;
        let prepared = prepare(plan, &parties, &found, rent)?;
        let transaction = WalletTransaction {
            asset: tenant.asset,
            collection: chain.collection,
            owner: tenant.owner,
            blockhash,
            creates: prepared.creates,
            operation: prepared.operation,
        };
        let too_long = || Problem::value("data", "be shorter, or use fewer accounts: it fits into no transaction");
        let message = transaction.write().ok_or_else(too_long)?;
        let decoded = WalletTransaction::read(&message)
            .map_err(|error| Failure::internal(format!("a prepared transaction: {error}")))?;

        let new = decoded.creates.map(|new| new.program.account_len());
        let rent = async {
            match new {
                Some(length) => lamports(&chain, chain::rent_request(length)).await,
                None => Ok(0),
            }
        };
        let (network, rent) = try_join(fee(&chain, &message), rent).await?;
        let total = network.saturating_add(EXECUTE_FEE).saturating_add(rent);
        affordable(&found, total)?;

        let summary = decoded.summary(recipient);
        let text = serde_json::to_string(&summary)
            .map_err(|error| Failure::internal(format!("summary: {error}")))?;
        let expires_at = now().saturating_add(relay::LIFETIME);
        let hash = relay::hash(&message);
        // The asset may have moved while the chain was asked.
        if self.store.domain()?.is_none_or(|domain| domain.owner != tenant.owner) {
            return Err(Problem::not_yours().into());
        }
        self.store
            .add_prepared(tenant.owner, &hash, &text, now(), expires_at)?;
        Ok(PreparedView {
            transaction: base64(&unsigned(&message)),
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
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        let claimed = Claimed::parse(text)?;
        let hash = relay::hash(claimed.message());
        let row = self.store.prepared(tenant.owner, &hash)?;
        let row = row.ok_or_else(relay::not_prepared)?;
        let signature = claimed.signed_by(&tenant.owner)?;
        if row.expires_at() <= now() {
            return Err(relay::too_old().into());
        }
        // Before it is sent: whatever ends this, its owner finds what became of it.
        self.store.mark_sent(tenant.owner, &hash, &signature.text())?;
        self.wallet.replace(None);
        let question = chain::send_request(&claimed.transaction);
        let taken = ask_any(&chain, question, |result| {
            chain::names(result, &signature).then_some(())
        })
        .await?;
        taken.ok_or_else(relay::would_fail)?;
        Ok(SentView {
            signature: signature.text(),
        })
    }

    /// The tenant's transactions, with what became of those that were passed on.
    pub(crate) async fn transactions(&self, owner: Wallet) -> Outcome<TransactionList> {
        let rows = self.store.all_prepared(owner)?;
        let is_open = |row: &&PreparedRow| row.state == TransactionState::Sent;
        let open: Vec<String> = rows
            .iter()
            .filter(is_open)
            .filter_map(|row| row.signature.clone())
            .collect();
        let landed = match open.is_empty() {
            true => Vec::new(),
            false => self.landed(&open).await?,
        };
        let mut landed = landed.into_iter();
        let mut transactions = Vec::new();
        for row in rows {
            let is_over = now() >= row.expires_at().saturating_add(relay::AFTER_LIFETIME);
            let state = match row.state {
                TransactionState::Sent => match landed.next() {
                    Some(Landed::Confirmed) => TransactionState::Confirmed,
                    Some(Landed::Finalized) => TransactionState::Finalized,
                    Some(Landed::Failed) => TransactionState::Failed,
                    _ if is_over => TransactionState::Expired,
                    _ => TransactionState::Sent,
                },
                TransactionState::Prepared if now() >= row.expires_at() => TransactionState::Expired,
                state => state,
            };
            if row.state == TransactionState::Sent && state.is_settled() {
                self.store.settle_prepared(owner, &row.hash, state)?;
            }
            transactions.push(TransactionView {
                state,
                prepared_at: row.prepared_at(),
                expires_at: row.expires_at(),
                summary: serde_json::from_str(&row.summary)
                    .map_err(|error| Failure::internal(format!("summary: {error}")))?,
                signature: row.signature,
            });
        }
        Ok(TransactionList { transactions })
    }

    async fn landed(&self, signatures: &[String]) -> Outcome<Vec<Landed>> {
        self.limits.wallet()?;
        let chain = settings::chain(&self.env)?;
        let question = chain::statuses_request(signatures);
        answered(&chain, question, |value| chain::statuses(value, signatures.len()))
            .await
            .map(|(_, landed)| landed)
    }
}

fn wallet_of(asset: &Asset) -> Outcome<Address> {
    let derived = asset_signer(asset).map(|(address, _)| address);
    derived.ok_or_else(|| Failure::internal("the asset has no signer"))
}

/// An answer with the slot that it is for.
async fn answered<T>(
    chain: &Chain,
    question: String,
    take: impl Fn(&Value) -> Option<T>,
) -> Outcome<(u64, T)> {
    let taken = ask_any(chain, question, |result| {
        let (slot, value) = chain::contextual(result)?;
        Some((slot, take(value)?))
    });
    taken.await?.ok_or_else(solana::refused)
}

async fn accounts(
    chain: &Chain,
    addresses: Vec<Address>,
    first: Option<usize>,
) -> Outcome<(u64, Vec<Option<chain::Found>>)> {
    let question = chain::accounts_request(&addresses, first);
    answered(chain, question, |value| chain::accounts(value, addresses.len())).await
}

type Held = Vec<(TokenProgram, Address, TokenAccount)>;

async fn tokens(chain: &Chain, wallet: Address, program: TokenProgram) -> Outcome<(u64, Held)> {
    let question = chain::tokens_request(&wallet, program);
    answered(chain, question, |value| {
        let tokens = chain::tokens(value, &wallet)?.into_iter();
        Some(tokens.map(|(place, account)| (program, place, account)).collect())
    })
    .await
}

async fn blockhash(chain: &Chain) -> Outcome<(multiclaw_core::ids::Blockhash, u64)> {
    let question = chain::blockhash_request();
    answered(chain, question, chain::blockhash).await.map(|(_, it)| it)
}

async fn fee(chain: &Chain, message: &[u8]) -> Outcome<u64> {
    let question = chain::fee_request(message);
    answered(chain, question, Value::as_u64).await.map(|(_, it)| it)
}

async fn lamports(chain: &Chain, question: String) -> Outcome<u64> {
    let taken = ask_any(chain, question, Value::as_u64).await?;
    taken.ok_or_else(solana::refused)
}
