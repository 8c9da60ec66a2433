//! Asks Solana RPC: who owns an asset, by playing out the core's policy (`multiclaw_core::rpc`) on the configured endpoints, and
//! what one endpoint's word is enough for.

use core::cell::RefCell;
use core::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select, select_all};
use multiclaw_core::config::Chain;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::ownership::{
    Floor, MAX_ANSWER_LENGTH, Owned, OwnershipError, Reading, account_request, read_answer,
};
use multiclaw_core::rpc::{Fault, Poll, Pool, RETRY_AFTER, Step, Verdict};
use multiclaw_core::secret::Secret;
use multiclaw_core::wallet::chain::{self as wallet, Question};
use serde_json::Value;
use worker::{AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, Response};

use crate::port::{Outcome, log, now, random, read_bounded};

/// How long an endpoint may take for what one is asked alone.
const ANY_LIMIT: Duration = Duration::from_secs(4);

thread_local! {
    /// Of this isolate: who failed of late, and the slot that was agreed on.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

/// The owner for a login, as two endpoints say where there are two; or why the asset has none, said as well by two.
///
/// # Errors
/// `rpc_unavailable` when too few gave a usable answer, or they contradict one another.
pub async fn owner_at_login(chain: &Chain, asset: Asset) -> Outcome<Result<Owned, OwnershipError>> {
    let poll = Poll::login(chain.rpc_urls.len(), now());
    match play(chain, asset, poll).await? {
        Verdict::Counts { reading, .. } => Ok(match reading {
            Reading::Owned(owned) => Ok(owned),
            Reading::Nobody(reason, _) => Err(reason),
        }),
        Verdict::Disputed(by) => Err(disputed(&by)),
        Verdict::Silent => Err(silent()),
    }
}

/// Whether the `known` owner still is the owner. Right after a reading that failed nobody waits for a second try, and one
/// that was disputed is settled by agreement alone.
pub(crate) async fn look(
    chain: &Chain,
    asset: Asset,
    known: Floor,
    has_failed: bool,
    disputed: bool,
) -> Outcome<Verdict> {
    let mut poll = Poll::watch(chain.rpc_urls.len(), known, now());
    if has_failed {
        poll = poll.once();
    }
    if disputed {
        poll = poll.denied();
    }
    play(chain, asset, poll).await
}

pub(crate) fn silent() -> Failure {
    unavailable("too few RPC endpoints gave a usable answer".to_owned())
}

pub(crate) fn disputed(by: &[usize]) -> Failure {
    let mut context = "no two of the RPC endpoints that answered agree on the owner:".to_owned();
    for index in by {
        context.push(' ');
        context.push_str(&name(*index));
    }
    unavailable(context)
}

fn unavailable(context: String) -> Failure {
    let problem = Problem::new(
        Code::RpcUnavailable,
        "Solana can't be asked who owns the domain now. Try again in a moment.",
    );
    Failure {
        problem: problem.retry_after(RETRY_AFTER.get()),
        context: Some(context),
    }
}

/// An endpoint's URL may hold a key: the log names it by its place in the list.
fn name(index: usize) -> String {
    format!("SOLANA_RPC_URLS[{index}]")
}

/// On the heap, as its code would otherwise be in the Worker once for each caller.
fn play(chain: &Chain, asset: Asset, poll: Poll) -> LocalBoxFuture<'_, Outcome<Verdict>> {
    Box::pin(play_out(chain, asset, poll))
}

async fn play_out(chain: &Chain, asset: Asset, mut poll: Poll) -> Outcome<Verdict> {
    let mut asked: Vec<LocalBoxFuture<'_, (usize, Result<Reading, Fault>)>> = Vec::new();
    loop {
        let [chance] = random()?;
        match POOL.with_borrow_mut(|pool| poll.next(pool, now(), chance)) {
            Step::Ask(endpoints) => {
                let limit = poll.call_limit(now());
                for index in endpoints {
                    let url = chain.rpc_urls.get(index).map_or("", Secret::expose);
                    let answer = ask(url, chain, asset, limit);
                    asked.push(Box::pin(async move { (index, answer.await) }));
                }
            }
            Step::Listen if asked.is_empty() => return Ok(Verdict::Silent),
            Step::Listen => {
                let ((index, answer), _, others) = select_all(asked).await;
                asked = others;
                let heard = POOL.with_borrow_mut(|pool| poll.hear(pool, index, answer, now()));
                if let Err(fault) = heard {
                    log(&unavailable(format!("{} {fault}", name(index))));
                }
            }
            Step::Pause(pause) => Delay::from(pause).await,
            Step::Done(verdict) => return Ok(verdict),
        }
    }
}

/// Ends a request that nobody waits for any more: a connection is one of the few that a Worker may hold.
struct EndedWithMe(Option<AbortController>);

impl Drop for EndedWithMe {
    fn drop(&mut self) {
        if let Some(controller) = self.0.take() {
            controller.abort();
        }
    }
}

async fn ask(url: &str, chain: &Chain, asset: Asset, limit: Duration) -> Result<Reading, Fault> {
    let question = account_request(asset).to_string();
    let text = post(url, question, limit, MAX_ANSWER_LENGTH).await?;
    Ok(read_answer(&text, chain.collection)?)
}

/// The text that an endpoint answers.
async fn post(
    url: &str,
    question: String,
    limit: Duration,
    longest: usize,
) -> Result<String, Fault> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let _ended = EndedWithMe(Some(controller));
    let answer = core::pin::pin!(async {
        let request = request(url, question).map_err(|_| Fault::Unreachable)?;
        // The runtime's error text may hold the URL: only that it failed is kept.
        let response = Fetch::Request(request).send_with_signal(&signal).await;
        read(response.map_err(|_| Fault::Unreachable)?, longest).await
    });
    match select(answer, Delay::from(limit)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(Fault::TimedOut),
    }
}

fn request(url: &str, question: String) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(question.into()));
    // A redirect could lead anywhere; an RPC endpoint has no reason to send one.
    init.with_redirect(worker::RequestRedirect::Manual);
    Request::new_with_init(url, &init)
}

async fn read(mut response: Response, longest: usize) -> Result<String, Fault> {
    let retry_after = response.headers().get("retry-after").ok().flatten();
    if let Some(fault) = Fault::of_status(response.status_code(), retry_after.as_deref()) {
        return Err(fault);
    }
    let body = response.stream().map_err(|_| Fault::Malformed)?;
    let bytes = read_bounded(body, longest, "")
        .await
        .map_err(|_| Fault::Malformed)?;
    String::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

/// The result that one endpoint gives: they are asked in turn, until one gives an answer to the question. `None` when there was
/// none, and at least one of them refused what it was sent. On the heap, as [`play`] is.
///
/// # Errors
/// `rpc_unavailable` when nobody gave an answer.
pub(crate) fn ask_any(
    chain: &Chain,
    question: Question,
) -> LocalBoxFuture<'_, Outcome<Option<Value>>> {
    Box::pin(async move {
        let mut is_refused = false;
        let order = POOL.with_borrow(|pool| pool.order(chain.rpc_urls.len(), now()));
        for index in order {
            let url = chain.rpc_urls.get(index).map_or("", Secret::expose);
            let text = post(
                url,
                question.text.clone(),
                ANY_LIMIT,
                wallet::MAX_ANSWER_LENGTH,
            )
            .await;
            let fault = match text.map(|text| wallet::result(&text)) {
                Ok(Ok(result)) if (question.fits)(&result) => return Ok(Some(result)),
                Ok(Ok(_)) => Fault::Malformed,
                Ok(Err(error)) => {
                    is_refused |= wallet::refused(error);
                    Fault::from(error)
                }
                Err(fault) => fault,
            };
            log(&unanswered(format!("{} {fault}", name(index))));
        }
        if is_refused {
            return Ok(None);
        }
        Err(unanswered(
            "no RPC endpoint gave a usable answer".to_owned(),
        ))
    })
}

/// The results of several questions, in their order, which are asked at once.
///
/// # Errors
/// `rpc_unavailable` when nobody gave an answer to one of them.
pub(crate) async fn ask_all(chain: &Chain, questions: Vec<Question>) -> Outcome<Vec<Value>> {
    let mut results = vec![None; questions.len()];
    let mut asked: Vec<LocalBoxFuture<'_, (usize, Outcome<Option<Value>>)>> = Vec::new();
    for (place, question) in questions.into_iter().enumerate() {
        let answer = ask_any(chain, question);
        asked.push(Box::pin(async move { (place, answer.await) }));
    }
    while !asked.is_empty() {
        let ((place, answer), _, others) = select_all(asked).await;
        asked = others;
        if let Some(result) = results.get_mut(place) {
            *result = answer?;
        }
    }
    let all: Option<Vec<Value>> = results.into_iter().collect();
    all.ok_or_else(|| unanswered("the RPC endpoints refuse a question".to_owned()))
}

fn unanswered(context: String) -> Failure {
    let problem = Problem::new(
        Code::RpcUnavailable,
        "Solana can't be asked about the agent's wallet now. Try again in a moment.",
    );
    Failure {
        problem: problem.retry_after(RETRY_AFTER.get()),
        context: Some(context),
    }
}
