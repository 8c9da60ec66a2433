//! Asks Solana RPC who owns an asset: the configured endpoints in order, each with a time limit.

use core::time::Duration;

use multiclaw_core::config::Chain;
use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::Asset;
use multiclaw_core::ownership::{
    MAX_ANSWER_LENGTH, Owned, OwnershipError, account_request, read_answer,
};
use worker::{Fetch, Headers, Method, Request, RequestInit};

use crate::port::{Outcome, Tried as _, log, read_bounded, within};

const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(4);

/// The owner now, or why the asset has none. The first usable answer counts; one that is `behind` is not.
///
/// # Errors
/// `rpc_unavailable` when no endpoint gave a usable answer.
pub async fn owner_of(
    chain: &Chain,
    asset: Asset,
    behind: impl Fn(&Owned) -> bool,
) -> Outcome<Result<Owned, OwnershipError>> {
    for (index, url) in chain.rpc_urls.iter().enumerate() {
        // An endpoint's URL may hold a key: the log names it by its place in the list.
        let what = format!("SOLANA_RPC_URLS[{index}]");
        match within(ENDPOINT_TIMEOUT, &what, ask(url, chain, asset, &what)).await {
            Ok(Ok(owned)) if behind(&owned) => {
                log(&Failure::internal(format!(
                    "{what} is behind what is known already"
                )));
            }
            Ok(answer) => return Ok(answer),
            Err(failure) => log(&failure),
        }
    }
    Err(Failure::new(
        Code::RpcUnavailable,
        "Solana can't be asked who owns the domain now. Try again in a moment.",
        "no RPC endpoint gave a usable answer",
    ))
}

async fn ask(
    url: &str,
    chain: &Chain,
    asset: Asset,
    what: &str,
) -> Outcome<Result<Owned, OwnershipError>> {
    let headers = Headers::new();
    headers
        .set("content-type", "application/json")
        .tried(what)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(account_request(asset).to_string().into()));
    // A redirect could lead anywhere; an RPC endpoint has no reason to send one.
    init.with_redirect(worker::RequestRedirect::Manual);
    let request = Request::new_with_init(url, &init)
        .map_err(|_| Failure::internal(format!("{what} is not a URL")))?;
    // The runtime's error text may hold the URL: only that it failed is kept.
    let mut response = Fetch::Request(request)
        .send()
        .await
        .map_err(|_| Failure::internal(format!("{what} can't be reached")))?;
    if response.status_code() != 200 {
        return Err(Failure::internal(format!(
            "{what} answered status {}",
            response.status_code()
        )));
    }
    let bytes = read_bounded(response.stream().tried(what)?, MAX_ANSWER_LENGTH, what).await?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::internal(format!("{what}: the answer is not UTF-8")))?;
    read_answer(&text, chain.collection)
        .map_err(|error| Failure::internal(format!("{what}: {error}")))
}
