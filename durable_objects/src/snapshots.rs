//! Snapshots between the container and R2: the archive goes from `exec` to R2 and back as the runtime's own streams,
//! never through this object's memory. One counts when R2 confirmed length and hash and the row is written (C19).

use core::time::Duration;

use futures_util::future::try_join3;
use js_sys::Promise;
use js_sys::futures::JsFuture;
use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::SnapshotId;
use multiclaw_core::messages::SnapshotView;
use multiclaw_core::retention::surplus;
use multiclaw_core::snapshot::{ArchiveHash, Cause, Snapshot, Staged, StagedError};
use multiclaw_core::tenancy::{R2Key, Tenant};
use multiclaw_core::time::Timestamp;
use wasm_bindgen::prelude::*;
use worker::web_sys::ReadableStream;
use worker::{Bucket, ResponseBody};

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::port::{Outcome, Tried as _, now, storage_failure, within};
use crate::settings;
use crate::store::Domain;

/// Quiescing takes up to 20 s, packing some seconds for a large state.
const STAGE_LIMIT: Duration = Duration::from_secs(180);
/// Exit code of `restore` for an archive that can't be restored anywhere.
const BAD_ARCHIVE: i32 = 3;
const TRANSFER_LIMIT: Duration = Duration::from_secs(600);

#[wasm_bindgen]
extern "C" {
    /// The runtime's stream of known length, which R2 needs.
    type FixedLengthStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn readable(this: &FixedLengthStream) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    fn writable(this: &FixedLengthStream) -> JsValue;

    #[wasm_bindgen(extends = js_sys::Object)]
    type Pipe;
    #[wasm_bindgen(method, catch, js_name = pipeTo)]
    fn pipe_to(this: &Pipe, writable: &JsValue) -> Result<Promise, JsValue>;
}

/// How restoring the tenant's state ended.
pub enum Restored {
    /// There is no snapshot: the tenant starts new.
    Nothing,
    /// The archive had so many bytes; so many newer ones could not be used.
    Some { size: u64, skipped: usize },
}

/// How a snapshot is to be taken.
pub struct Taking {
    pub id: SnapshotId,
    pub cause: Cause,
    /// While the agent goes on, rather than with it quiesced.
    pub live: bool,
    /// Not if there is nothing new since this was said.
    pub unless: Option<ArchiveHash>,
}

/// What a snapshot that counts says of the state that it is of.
pub struct Saved {
    pub digest: ArchiveHash,
    /// When the agent's schedule has something next.
    pub due: Option<Timestamp>,
}

/// The two ends of the runtime's stream of so many bytes, which R2 needs: one to read, and the word that all was written.
pub fn pipe_fixed(source: ReadableStream, size: u64) -> Outcome<(ReadableStream, Promise)> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "bounded by MAX_SIZE, far below 2^53"
    )]
    let fixed = FixedLengthStream::new(size as f64).tried("fixed-length stream")?;
    let source: Pipe = JsValue::from(source).unchecked_into();
    let piped = source.pipe_to(&fixed.writable()).tried("archive stream")?;
    Ok((fixed.readable(), piped))
}

/// That an archive was stored is believed when it is there.
pub async fn is_there(bucket: &Bucket, key: &R2Key, size: u64) -> Outcome<()> {
    let found = bucket.head(key.as_str()).await.stored("R2 head")?;
    match found {
        Some(object) if object.size() == size => Ok(()),
        _ => Err(storage_failure(
            "R2 said that it stored the archive, and does not have it".to_owned(),
        )),
    }
}

/// The snapshot in short, for a status.
pub fn view(snapshot: Snapshot) -> SnapshotView {
    SnapshotView {
        id: snapshot.id,
        created_at: snapshot.created_at,
        size: snapshot.size,
        report: snapshot.report.brief(),
    }
}

impl Agent {
    /// Saves the agent's state; `None` when there was nothing new. Unless it is `live` the agent stays quiesced until
    /// [`Agent::resume`] or the container's end.
    pub(crate) async fn take_snapshot(
        &self,
        container: &Container,
        domain: &Domain,
        taking: Taking,
        before_upload: impl FnOnce() -> Outcome<()>,
    ) -> Outcome<Option<Saved>> {
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let unless = taking
            .unless
            .map(|hash| format!("--unless={}", String::from(hash)));
        let mut command = vec!["/opt/agent/agent", "snapshot"];
        if taking.live {
            command.push("--live");
        }
        command.extend(unless.as_deref());
        let said = container.run(&command, Stdin::Nothing, STAGE_LIMIT).await?;
        let staged = match Staged::parse(&said) {
            Ok(staged) => staged,
            Err(StagedError::Unchanged) => return Ok(None),
            Err(StagedError::TooLarge(biggest)) => {
                let advice = StagedError::advice(&biggest);
                return Err(Failure::new(
                    Code::WrongState,
                    &advice,
                    "snapshot too large",
                ));
            }
            Err(other) => return Err(Failure::internal(format!("snapshot: {other}"))),
        };
        before_upload()?;
        let key = tenant.prefix().snapshot(taking.id);
        if let Err(failure) = self.store_archive(container, &key, &staged).await {
            // It may be whole in R2 all the same: without a row nobody would ever delete it.
            let deleted = async {
                let bucket = settings::bucket(&self.env)?;
                bucket.delete(key.as_str()).await.stored("R2 delete")
            };
            if let Err(orphan) = deleted.await {
                self.log(&orphan);
            }
            return Err(failure);
        }
        let saved = Saved {
            // An older image does not say: then each time counts as another.
            digest: staged.digest.unwrap_or(staged.sha256),
            due: staged.next_due_at(),
        };
        let snapshot = Snapshot {
            id: taking.id,
            created_at: now(),
            cause: taking.cause,
            size: staged.size,
            files: staged.files,
            sha256: staged.sha256,
            openclaw: staged.openclaw,
            report: staged.report,
        };
        self.store.add_snapshot(tenant.owner, &snapshot)?;
        self.prune(&tenant).await;
        if taking.cause != Cause::Period {
            self.sweep_archives(&tenant).await;
        }
        Ok(Some(saved))
    }

    async fn store_archive(
        &self,
        container: &Container,
        key: &R2Key,
        staged: &Staged,
    ) -> Outcome<()> {
        let bucket = settings::bucket(&self.env)?;
        let process = container
            .exec(&["/opt/agent/agent", "send"], Stdin::Nothing)
            .await?;
        let (readable, piped) = pipe_fixed(process.take_stdout()?, staged.size)?;
        let transfer = async {
            let put = async {
                // R2 compares length and hash itself and stores nothing that differs.
                let stored = bucket
                    .put(key.as_str(), readable)
                    .sha256(staged.sha256.as_bytes().to_vec())
                    .execute();
                stored.await.map(drop).stored("R2 put")
            };
            let piped = async { JsFuture::from(piped).await.stored("archive stream") };
            try_join3(put, piped, process.finish()).await
        };
        let done = within(TRANSFER_LIMIT, "upload of the snapshot", transfer).await;
        if done.is_err() {
            process.kill();
        }
        match done? {
            (_, _, ended) if ended.code == 0 => {}
            (_, _, ended) => return Err(ended.failure()),
        }
        is_there(&bucket, key, staged.size).await
    }

    /// Lets a quiesced agent go on.
    pub(crate) async fn resume(&self, container: &Container) -> Outcome<()> {
        container
            .run(
                &["/opt/agent/agent", "resume"],
                Stdin::Nothing,
                Duration::from_secs(30),
            )
            .await
            .map(drop)
    }

    /// Deletes what no rule keeps, now that a newer one counts. Failing leaves too many, which hurts nobody.
    async fn prune(&self, tenant: &Tenant) {
        let pruned = async {
            let bucket = settings::bucket(&self.env)?;
            let keep = settings::snapshots_kept(&self.env)?;
            let chosen = self.life()?.restore;
            for id in surplus(&self.store.snapshots(tenant.owner)?, keep, chosen) {
                // The row first: a row without its archive would be a snapshot that can't be restored.
                self.store.delete_snapshot(tenant.owner, id)?;
                bucket
                    .delete(tenant.prefix().snapshot(id).as_str())
                    .await
                    .stored("R2 delete")?;
            }
            Ok(())
        };
        if let Err(failure) = pruned.await {
            self.log(&failure);
        }
    }

    /// Restores the first of `candidates` that can be, newest first. The container takes a state only whole and with the
    /// right hash, so one that fails leaves nothing behind.
    ///
    /// # Errors
    /// When R2 can't be asked: that is not "no snapshot", and the agent must not start empty over what exists.
    pub(crate) async fn restore(
        &self,
        container: &Container,
        domain: &Domain,
        candidates: &[Snapshot],
    ) -> Outcome<Option<Restored>> {
        if candidates.is_empty() {
            return Ok(Some(Restored::Nothing));
        }
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let bucket = settings::bucket(&self.env)?;
        for (index, snapshot) in candidates.iter().enumerate() {
            let key = tenant.prefix().snapshot(snapshot.id);
            let object = bucket.get(key.as_str()).execute().await.stored("R2 get")?;
            // R2 holds what was put whole; another length is another archive.
            let whole = object
                .as_ref()
                .filter(|object| object.size() == snapshot.size);
            let Some(body) = whole.and_then(worker::Object::body) else {
                self.log(&storage_failure(format!(
                    "snapshot {} is missing in R2 or has another length",
                    snapshot.id
                )));
                continue;
            };
            let ResponseBody::Stream(stream) = body.response_body().stored("R2 get")? else {
                return Err(storage_failure("R2 get: no stream".to_owned()));
            };
            let size = snapshot.size.to_string();
            let hash = String::from(snapshot.sha256);
            let command = [
                "/opt/agent/agent",
                "restore",
                "--sha256",
                &hash,
                "--size",
                &size,
            ];
            let ended = container
                .run_to_end(&command, Stdin::Stream(stream), TRANSFER_LIMIT)
                .await?;
            match (ended.code, index) {
                (0, skipped) => {
                    return Ok(Some(Restored::Some {
                        size: snapshot.size,
                        skipped,
                    }));
                }
                // The archive is at fault: an older one may do.
                (BAD_ARCHIVE, _) => self.log(&ended.failure()),
                // The container is: the same archive may do in the next one.
                _ => return Err(ended.failure()),
            }
        }
        Ok(None)
    }
}
