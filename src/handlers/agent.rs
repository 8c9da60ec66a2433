//! `/v1/agents/{asset}/...`: what an owner asks of their agent. The token's subject must be the agent addressed (C06).

use multiclaw_agent_object::port::Outcome;
use multiclaw_core::channel::{Admission, People};
use multiclaw_core::edge::EdgeChannel;
use multiclaw_core::error::{Code, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::{Call, Caller, OwnerCall};
use multiclaw_core::model::{ModelRef, parse_providers, providers};
use multiclaw_core::route::AgentRoute;
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::SecretName;
use multiclaw_core::session::Audience;
use multiclaw_core::upload::{MEDIA_TYPE, Upload};
use multiclaw_core::wallet::relay;
use worker::{Env, Request, Response};

use super::caller;
use crate::input::{Fields, MAX_BODY, header};
use crate::ports::objects;

pub async fn handle(
    asset: Asset,
    route: AgentRoute,
    request: Request,
    env: &Env,
) -> Outcome<Response> {
    let caller = caller(&request, env, Audience::App)?;
    if caller.asset != asset {
        return Err(Problem::not_yours().into());
    }
    let call = match route {
        AgentRoute::Status => OwnerCall::Status,
        AgentRoute::Start => OwnerCall::Start,
        AgentRoute::Stop => OwnerCall::Stop,
        AgentRoute::Restart => OwnerCall::Restart,
        AgentRoute::Events => OwnerCall::Events,
        AgentRoute::Open => OwnerCall::Open,
        AgentRoute::ListSnapshots => OwnerCall::ListSnapshots,
        AgentRoute::TakeSnapshot if header(&request, "content-type").is_none() => {
            OwnerCall::TakeSnapshot
        }
        AgentRoute::TakeSnapshot => return upload(caller, &request, env).await,
        AgentRoute::RestoreSnapshot(id) => OwnerCall::RestoreSnapshot { id },
        AgentRoute::DownloadSnapshot(id) => OwnerCall::DownloadSnapshot { id },
        AgentRoute::DeleteSnapshot(id) => OwnerCall::DeleteSnapshot { id },
        AgentRoute::Logs => OwnerCall::Logs,
        AgentRoute::Wakes => OwnerCall::Wakes,
        AgentRoute::ListSecrets => OwnerCall::ListSecrets,
        AgentRoute::PutSecret(name) => {
            let fields = Fields::read(&request).await?;
            // The form of a text is the kind's to judge, in the object that seals it.
            let value = fields.text("value", MAX_BODY, "a text")?;
            OwnerCall::PutSecret {
                name,
                value: Secret::new(value.to_owned()),
            }
        }
        AgentRoute::DeleteSecret(name) => OwnerCall::DeleteSecret { name },
        AgentRoute::ImportSecrets => OwnerCall::ImportSecrets,
        AgentRoute::Settings => OwnerCall::Settings,
        AgentRoute::PutSettings => {
            let fields = Fields::read(&request).await?;
            let [keeps_model, keeps_keyless] = ["model", "keyless"].map(|name| !fields.holds(name));
            if keeps_model && keeps_keyless {
                let expected = "a text like `provider/model`, or null, where `keyless` is not sent";
                return Err(Problem::field("model", expected).into());
            }
            let model = match keeps_model {
                true => None,
                false => fields.text_or_null(
                    "model",
                    MAX_BODY,
                    "a text like `provider/model`, or null",
                )?,
            };
            OwnerCall::PutSettings {
                model: model.map(ModelRef::parse).transpose()?,
                keeps_model,
                keyless: match keeps_keyless {
                    true => None,
                    false => Some(keyless(&fields)?),
                },
            }
        }
        AgentRoute::ListPairing => OwnerCall::ListPairing,
        AgentRoute::ApprovePairing(id) => OwnerCall::AnswerPairing { id, approved: true },
        AgentRoute::RejectPairing(id) => OwnerCall::AnswerPairing {
            id,
            approved: false,
        },
        AgentRoute::ShutOut(id) => OwnerCall::ShutOut { id },
        AgentRoute::ListChannels => OwnerCall::ListChannels,
        AgentRoute::PutChannel => put_channel(&Fields::read(&request).await?)?,
        AgentRoute::DeleteChannel => OwnerCall::DeleteChannel,
        AgentRoute::PutEdgeChannel(channel) => {
            put_edge_channel(channel, &Fields::read(&request).await?)?
        }
        AgentRoute::DeleteEdgeChannel(channel) => OwnerCall::DeleteEdgeChannel { channel },
        AgentRoute::Usage => OwnerCall::Usage,
        AgentRoute::Wallet => OwnerCall::Wallet,
        AgentRoute::ListTransactions => OwnerCall::ListTransactions,
        AgentRoute::ListProposals => OwnerCall::ListProposals,
        AgentRoute::PrepareProposal(id) => OwnerCall::PrepareProposal { id },
        AgentRoute::RejectProposal(id) => OwnerCall::RejectProposal { id },
        AgentRoute::PrepareTransaction => {
            let plan = Fields::read(&request).await?.text_of_all()?;
            OwnerCall::PrepareTransaction { plan }
        }
        AgentRoute::SendTransaction => {
            let fields = Fields::read(&request).await?;
            let expected = "a transaction with one signature, in base64";
            let transaction = fields.text("transaction", relay::MAX_TEXT, expected)?;
            OwnerCall::SendTransaction {
                transaction: transaction.to_owned(),
            }
        }
    };
    objects::call(env, asset, Call::Owner(caller, call)).await
}

/// An archive of the owner's goes to the object as it comes.
async fn upload(caller: Caller, request: &Request, env: &Env) -> Outcome<Response> {
    let media = header(request, "content-type").unwrap_or_default();
    if !media.eq_ignore_ascii_case(MEDIA_TYPE) {
        let detail = format!(
            "Send no body to have a snapshot taken, or an archive as `content-type: {MEDIA_TYPE}`."
        );
        return Err(Problem::new(Code::UnsupportedMediaType, detail).into());
    }
    let length = header(request, "content-length");
    let digest = header(request, "repr-digest");
    let upload = Upload::parse(caller, length.as_deref(), digest.as_deref())?;
    objects::upload(env, upload, request).await
}

fn put_channel(fields: &Fields) -> Result<OwnerCall, Problem> {
    Ok(OwnerCall::PutChannel {
        token: secret(fields, "token", "a bot's token, a text")?,
        admission: admission(fields, People::Telegram)?,
    })
}

fn put_edge_channel(channel: EdgeChannel, fields: &Fields) -> Result<OwnerCall, Problem> {
    Ok(OwnerCall::PutEdgeChannel {
        channel,
        token: secret(fields, "token", "a bot's token, a text")?,
        signing_secret: secret(fields, "signingSecret", "the app's signing secret, a text")?,
        application: text(fields, "applicationId", "the application's number, a text")?,
        public_key: text(fields, "publicKey", "the application's public key, a text")?,
        admission: admission(fields, channel.people())?,
    })
}

fn text(fields: &Fields, name: &str, expected: &str) -> Result<Option<String>, Problem> {
    let value = fields.optional_text(name, MAX_BODY, expected)?;
    Ok(value.map(str::to_owned))
}

fn secret(fields: &Fields, name: &str, expected: &str) -> Result<Option<Secret>, Problem> {
    Ok(text(fields, name, expected)?.map(Secret::new))
}

fn admission(fields: &Fields, people: People) -> Result<Admission, Problem> {
    let policy = fields.optional_text("dmPolicy", MAX_BODY, "a text")?;
    let named = match fields.has("allowFrom") {
        true => {
            let named = fields.texts("allowFrom");
            Some(named.ok_or_else(|| Problem::field("allowFrom", "a list of texts"))?)
        }
        false => None,
    };
    Admission::parse_for(people, policy, named)
}

fn keyless(fields: &Fields) -> Result<Vec<SecretName>, Problem> {
    let known: Vec<&str> = providers().map(SecretName::as_str).collect();
    let refused = || {
        let expected = format!("a list of providers of models, of {}", known.join(", "));
        Problem::field("keyless", &expected)
    };
    let texts = fields.texts("keyless").ok_or_else(refused)?;
    let mut names = Vec::new();
    for name in parse_providers(texts.into_iter()) {
        let name = name.ok_or_else(refused)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
