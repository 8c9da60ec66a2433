//! What a transaction does, in plain words, read from the transaction itself.

use crate::ids::Address;
use crate::transaction::Account;

use super::amount::{decimal, sol};
use super::operation::{Operation, TokenTransfer};
use super::{WalletTransaction, asset_signer};

impl WalletTransaction {
    /// One sentence for each thing that it does. `recipient` is named as who gets a token only where the token account in
    /// the transaction is that wallet's.
    #[must_use]
    pub fn summary(&self, recipient: Option<Address>) -> Vec<String> {
        let wallet = asset_signer(&self.asset).map(|(address, _)| address.to_string());
        let wallet = wallet.unwrap_or_default();
        let mut lines = Vec::new();
        if let Some(new) = &self.creates {
            lines.push(format!(
                "Makes an account of {} for the token with the mint {}, unless there is one; your own wallet pays for it.",
                new.wallet, new.mint
            ));
        }
        match &self.operation {
            Operation::TransferSol { to, lamports } => {
                let amount = sol(*lamports);
                lines.push(format!(
                    "Sends {amount} ({lamports} lamports) from the agent's wallet {wallet} to {}.",
                    self.named(to)
                ));
            }
            Operation::TransferToken(transfer) => {
                lines.push(token_line(
                    transfer,
                    &wallet,
                    self.holder(transfer, recipient),
                ));
            }
            Operation::Custom(instruction) => {
                lines.push(format!(
                    "Calls the program {} in the name of the agent's wallet {wallet}, with {} bytes of data.",
                    instruction.program,
                    instruction.data.len()
                ));
                for (what, writable) in [("It may change", true), ("It reads", false)] {
                    let of = |it: &&Account| it.writable == writable;
                    let named = instruction.accounts.iter().filter(of);
                    let named: Vec<String> = named.map(|it| self.named(&it.address)).collect();
                    if !named.is_empty() {
                        lines.push(format!("{what}: {}.", named.join(", ")));
                    }
                }
                lines.push(
                    "What that does is for its program to say: sign it only if you know."
                        .to_owned(),
                );
            }
        }
        lines.push(format!(
            "Signed, and its fees paid, by your own wallet {}.",
            self.owner
        ));
        lines
    }

    fn named(&self, address: &Address) -> String {
        if address.as_bytes() == self.owner.as_bytes() {
            format!("{address}, your own wallet")
        } else {
            address.to_string()
        }
    }

    /// The wallet whose token account it goes to, if one is known.
    fn holder(&self, transfer: &TokenTransfer, recipient: Option<Address>) -> Option<String> {
        let made = self.creates.map(|new| new.wallet);
        let is_theirs = |holder: &Address| {
            transfer.program.associated(holder, &transfer.mint) == Some(transfer.destination)
        };
        let holder = [made, recipient].into_iter().flatten().find(is_theirs);
        holder.map(|holder| self.named(&holder))
    }
}

fn token_line(transfer: &TokenTransfer, wallet: &str, holder: Option<String>) -> String {
    let TokenTransfer {
        mint,
        source,
        destination,
        base_units,
        decimals,
        ..
    } = transfer;
    let amount = decimal(*base_units, *decimals);
    let to = holder.map_or_else(
        || format!("the token account {destination}"),
        |holder| format!("{holder}, in the token account {destination}"),
    );
    format!(
        "Sends {amount} ({base_units} base units) of the token with the mint {mint} from the agent's wallet {wallet}, out of the token account {source}, to {to}."
    )
}
