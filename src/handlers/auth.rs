//! Login: challenge, proof, ownership, session (C01-C05).

use multiclaw_agent_object::port::{Outcome, Tried as _, now, random};
use multiclaw_agent_object::reply::{empty, json};
use multiclaw_agent_object::{settings, solana};
use multiclaw_core::challenge::{Challenge, ChallengeError};
use multiclaw_core::config::Hosts;
use multiclaw_core::encoding::{base64, from_base64};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::{Asset, Nonce, SessionId, Wallet};
use multiclaw_core::messages::{Call, Login, NewSession, OwnerCall, SessionView};
use multiclaw_core::pda::is_on_curve;
use multiclaw_core::proof::{Evidence, Signature};
use multiclaw_core::session::{Audience, Issuer, Session, clear_cookie, set_cookie};
use multiclaw_core::time::Seconds;
use serde_json::json;
use worker::{Env, Request, Response};

use super::{caller, session_keys};
use crate::input::{Fields, header};
use crate::ports::challenges::Challenges;
use crate::ports::{limits, objects};

/// Base58 of 32 bytes has at most 44 characters, of 64 bytes at most 88.
const ADDRESS_LENGTH: usize = 44;
const SIGNATURE_LENGTH: usize = 88;
const NONCE_LENGTH: usize = 32;
/// Base64 of the longest text with an envelope that a wallet signs.
const SIGNED_MESSAGE_LENGTH: usize = 8192;
/// Base64 of the longest transaction, 1232 bytes.
const TRANSACTION_LENGTH: usize = 1644;
/// A burned nonce is remembered longer than its challenge lives, whatever KV still serves.
const NONCE_MEMORY: Seconds = Seconds::new(600);

/// `POST /v1/auth/challenge`
pub async fn challenge(request: Request, env: &Env, hosts: &Hosts) -> Outcome<Response> {
    limits::login(&request, env).await?;
    let fields = Fields::read(&request).await?;
    let asset = parse(&fields, "asset", ADDRESS_LENGTH, Asset::parse)?;
    let wallet = parse(&fields, "wallet", ADDRESS_LENGTH, Wallet::parse)?;
    if !is_on_curve(wallet.as_bytes()) {
        return Err(Problem::cannot_sign().into());
    }
    limits::login_at(asset, env).await?;
    let origin = header(&request, "origin").and_then(|origin| hosts.app_origin(&origin).cloned());
    let origin = origin.as_ref().unwrap_or(hosts.primary());
    let nonce = Nonce::from_random(random()?);
    let chain = settings::chain(env)?.cluster;
    let challenge = Challenge::new(
        origin.host(),
        origin.as_str(),
        chain,
        wallet,
        asset,
        nonce,
        now(),
    )
    .map_err(|error| Failure::misconfigured(format!("APP_ORIGINS: {error}")))?;
    let transaction = challenge.transaction().map(|bytes| base64(&bytes));
    Challenges::of(env)?.put(&challenge).await?;
    json(
        201,
        &json!({
            "nonce": nonce,
            "message": challenge.text(),
            "input": challenge.input(),
            "transaction": transaction,
            "issuedAt": challenge.issued_at(),
            "expiresAt": challenge.expires_at(),
        }),
    )
}

/// `POST /v1/auth/verify`
pub async fn verify(request: Request, env: &Env) -> Outcome<Response> {
    limits::login(&request, env).await?;
    let keys = session_keys(env)?;
    let fields = Fields::read(&request).await?;
    let nonce = parse(&fields, "nonce", NONCE_LENGTH, Nonce::parse)?;
    let evidence = evidence(&fields)?;
    let challenges = Challenges::of(env)?;
    let challenge = challenges
        .get(&nonce)
        .await?
        .ok_or_else(unknown_challenge)?;
    // Not yet a try: who comes back in time may still use the challenge.
    limits::login_at(challenge.asset(), env).await?;
    let session = log_in(env, &challenge, &evidence).await;
    // A try spends the challenge, whatever came of it.
    challenges.delete(&nonce).await;
    let session = session?;

    let token = keys.issue(
        Session {
            issuer: Issuer::Us,
            asset: challenge.asset(),
            audience: Audience::App,
            id: session.id,
            wallet: session.wallet,
            epoch: session.epoch,
        },
        now(),
        session.expires_at,
    );
    let token = token.map_err(|error| Failure::internal(format!("token: {error}")))?;
    let view = SessionView {
        asset: challenge.asset(),
        wallet: session.wallet,
        domain: session.domain,
        expires_at: session.expires_at,
    };
    let response = json(200, &view)?;
    let cookie = set_cookie(Audience::App, &token, now(), session.expires_at);
    response
        .headers()
        .set("set-cookie", &cookie)
        .tried("cookie")?;
    Ok(response)
}

/// Cheap checks first: no object is touched and nothing stored for a caller who has not proved both key and ownership.
async fn log_in(env: &Env, challenge: &Challenge, evidence: &Evidence) -> Outcome<NewSession> {
    let asked = challenge.text();
    let wallet = challenge.wallet();
    let proof = evidence.verify(&wallet, &asked).map_err(|error| {
        Problem::new(
            Code::SignatureInvalid,
            format!("The proof was refused: {error}. Sign a new challenge."),
        )
    })?;
    challenge
        .check(proof.text, now())
        .map_err(|error| match error {
            ChallengeError::Expired => unknown_challenge(),
            other => Problem::new(
                Code::SignatureInvalid,
                format!("The proof was refused: {other}. Sign a new challenge."),
            ),
        })?;
    let asked_at = now();
    let owned = solana::owner_at_login(&settings::chain(env)?, challenge.asset())
        .await?
        .map_err(|_| Problem::not_yours())?;
    if owned.owner != wallet {
        return Err(Problem::not_yours().into());
    }
    let login = Login {
        owned,
        asked_at: Some(asked_at),
        nonce: challenge.nonce(),
        nonce_expires_at: challenge.issued_at().saturating_add(NONCE_MEMORY),
    };
    let mut answer = objects::call(env, challenge.asset(), Call::Login(login)).await?;
    new_session(&mut answer).await
}

/// Reads the object's answer to a login or a ticket; its refusal is passed on.
pub async fn new_session(answer: &mut Response) -> Outcome<NewSession> {
    let text = answer.text().await.tried("new session")?;
    if answer.status_code() == 200 {
        return serde_json::from_str(&text)
            .map_err(|error| Failure::internal(format!("new session: {error}")));
    }
    let problem: Option<Problem> = serde_json::from_str(&text).ok();
    Err(problem.map_or_else(
        || Failure::internal("the object's refusal is no problem document"),
        Failure::from,
    ))
}

/// `GET /v1/auth/session`
pub async fn session(request: &Request, env: &Env) -> Outcome<Response> {
    let caller = caller(request, env, Audience::App)?;
    objects::call(env, caller.asset, Call::Owner(caller, OwnerCall::Session)).await
}

/// `GET /v1/auth/sessions`
pub async fn sessions(request: &Request, env: &Env) -> Outcome<Response> {
    let caller = caller(request, env, Audience::App)?;
    let call = Call::Owner(caller, OwnerCall::ListSessions);
    objects::call(env, caller.asset, call).await
}

/// `DELETE /v1/auth/sessions/{id}`: one of the owner's, the caller's own too.
pub async fn end_session(id: SessionId, request: &Request, env: &Env) -> Outcome<Response> {
    let caller = caller(request, env, Audience::App)?;
    let call = Call::Owner(caller, OwnerCall::EndSession { id });
    let answer = objects::call(env, caller.asset, call).await?;
    if answer.status_code() == 204 && id == caller.session {
        return signed_out();
    }
    Ok(answer)
}

/// `DELETE /v1/auth/sessions`: all of the owner's.
pub async fn end_all_sessions(request: &Request, env: &Env) -> Outcome<Response> {
    let caller = caller(request, env, Audience::App)?;
    let call = Call::Owner(caller, OwnerCall::EndAllSessions);
    match objects::call(env, caller.asset, call).await? {
        answer if answer.status_code() == 204 => signed_out(),
        answer => Ok(answer),
    }
}

/// `POST /v1/auth/logout`: also without a session, so that a browser can always get rid of its cookie.
pub async fn logout(request: &Request, env: &Env) -> Outcome<Response> {
    if let Ok(caller) = caller(request, env, Audience::App) {
        let answer =
            objects::call(env, caller.asset, Call::Owner(caller, OwnerCall::Logout)).await?;
        // Dead already is as good; anything else must not look like a logout.
        if !matches!(answer.status_code(), 204 | 401 | 403 | 404) {
            return Ok(answer);
        }
    }
    signed_out()
}

/// 204 that takes the cookie back.
fn signed_out() -> Outcome<Response> {
    let response = empty();
    response
        .headers()
        .set("set-cookie", &clear_cookie(Audience::App))
        .tried("cookie")?;
    Ok(response)
}

fn unknown_challenge() -> Problem {
    Problem::new(
        Code::ChallengeInvalid,
        "This challenge is unknown, expired or used. Ask for a new one and sign it.",
    )
}

fn parse<T>(
    fields: &Fields,
    name: &str,
    max_length: usize,
    parse: impl Fn(&str) -> Result<T, multiclaw_core::ids::IdError>,
) -> Result<T, Problem> {
    // What is expected is the type's to say, also where the field is absent.
    let text = fields.text(name, max_length, "").unwrap_or_default();
    parse(text).map_err(|error| Problem::field(name, error.expected()))
}

/// A signature or a signed transaction, and never both: nobody shall have to guess which of them counts.
fn evidence(fields: &Fields) -> Result<Evidence, Problem> {
    const SIGNATURE: &str =
        "a signature (base58 of 64 bytes), or absent where `transaction` is given";
    const SIGNED_MESSAGE: &str = "the signed bytes in base64, at most 8192 characters";
    const TRANSACTION: &str = "the signed transaction in base64, at most 1644 characters";
    if let Some(transaction) = bytes(fields, "transaction", TRANSACTION_LENGTH, TRANSACTION)? {
        const ABSENT: &str = "absent where `transaction` is given";
        return match ["signature", "signedMessage"]
            .into_iter()
            .find(|name| fields.has(name))
        {
            None => Ok(Evidence::Transaction(transaction)),
            Some(name) => Err(Problem::field(name, ABSENT)),
        };
    }
    let signature = fields.text("signature", SIGNATURE_LENGTH, SIGNATURE)?;
    Ok(Evidence::Message {
        signature: Signature::parse(signature)
            .map_err(|_| Problem::field("signature", SIGNATURE))?,
        signed: bytes(
            fields,
            "signedMessage",
            SIGNED_MESSAGE_LENGTH,
            SIGNED_MESSAGE,
        )?,
    })
}

/// Bytes in base64, where the field is there.
fn bytes(
    fields: &Fields,
    name: &str,
    max_length: usize,
    expected: &str,
) -> Result<Option<Vec<u8>>, Problem> {
    let text = fields.optional_text(name, max_length, expected)?;
    text.map(|text| from_base64(text).ok_or_else(|| Problem::field(name, expected)))
        .transpose()
}
