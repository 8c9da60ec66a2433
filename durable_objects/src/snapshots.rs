//! Snapshots between the container and R2: the archive goes from `exec` to R2 and back as the runtime's own streams,
//! never through this object's memory. One counts when R2 confirmed length and hash and the row is written (C19).

use core::time::Duration;

use futures_util::future::{Either, select, try_join3};
use js_sys::futures::JsFuture;
use js_sys::{Object, Promise, Reflect};
use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::{PackId, SnapshotId};
use multiclaw_core::messages::SnapshotView;
use multiclaw_core::packs::Pack;
use multiclaw_core::retention::surplus;
use multiclaw_core::snapshot::{ArchiveHash, Cause, Snapshot, Staged, StagedError};
use multiclaw_core::tenancy::{R2Key, Tenant};
use multiclaw_core::time::Timestamp;
use wasm_bindgen::prelude::*;
use worker::web_sys::ReadableStream;
use worker::{AbortSignal, Bucket};

use crate::Agent;
use crate::container::{Container, Ended, Stdin};
use crate::packs::{Chain, stream_of};
use crate::port::{Outcome, Tried as _, now, random, storage_failure, within};
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
    pub type FixedLengthStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub fn readable(this: &FixedLengthStream) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    pub fn writable(this: &FixedLengthStream) -> JsValue;

    #[wasm_bindgen(extends = js_sys::Object)]
    type Pipe;
    #[wasm_bindgen(method, catch, js_name = pipeTo)]
    fn pipe_to(this: &Pipe, writable: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;
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

impl FixedLengthStream {
    pub fn of(size: u64) -> Outcome<Self> {
        #[allow(
            clippy::cast_precision_loss,
            reason = "bounded by MAX_SIZE, far below 2^53"
        )]
        Self::new(size as f64).tried("fixed-length stream")
    }
}

/// The two ends of the runtime's stream of so many bytes, which R2 needs: one to read, and the word that all was written.
/// `signal` cuts it.
pub fn pipe_fixed(
    source: ReadableStream,
    size: u64,
    signal: Option<&AbortSignal>,
) -> Outcome<(ReadableStream, Promise)> {
    let fixed = FixedLengthStream::of(size)?;
    let source: Pipe = JsValue::from(source).unchecked_into();
    let options = Object::new();
    if let Some(signal) = signal {
        let signal: &worker::web_sys::AbortSignal = signal;
        Reflect::set(&options, &"signal".into(), signal).tried("archive stream")?;
    }
    let piped = source
        .pipe_to(&fixed.writable(), &options)
        .tried("archive stream")?;
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
        size: snapshot.total(),
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
        let new = PackId::from_random(random()?);
        let staged = match self.stage(container, &tenant, &taking, new).await? {
            Ok(staged) => staged,
            // Said of what nobody asked to compare, it would pass for saved what is in no snapshot.
            Err(StagedError::Unchanged) if taking.unless.is_some() => {
                self.store.settle_accepted(tenant.owner)?;
                return Ok(None);
            }
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
        let saved = Saved {
            // An older image does not say: then each time counts as another.
            digest: staged.digest.unwrap_or(staged.sha256),
            due: staged.next_due_at(),
        };
        self.learn_let_in(tenant.owner, staged.let_in.as_deref())?;
        if let Err(failure) = self
            .store_staged(container, &tenant, &taking, new, staged)
            .await
        {
            // It may be whole in R2 all the same: without a row nobody would ever delete it.
            let deleted = async {
                let bucket = settings::bucket(&self.env)?;
                for key in [
                    tenant.prefix().snapshot(taking.id),
                    tenant.prefix().pack(new),
                ] {
                    bucket.delete(key.as_str()).await.stored("R2 delete")?;
                }
                Ok(())
            };
            if let Err(orphan) = deleted.await {
                self.log(&orphan);
            }
            return Err(failure);
        }
        // Nothing was handed to the agent since it began.
        self.store.settle_accepted(tenant.owner)?;
        self.prune(&tenant).await;
        if taking.cause != Cause::Period {
            self.sweep_archives(&tenant).await;
        }
        Ok(Some(saved))
    }

    /// Has the container stage what is to be saved. What is taken from time to time is incremental: `new` is what its pack
    /// will be called.
    async fn stage(
        &self,
        container: &Container,
        tenant: &Tenant,
        taking: &Taking,
        new: PackId,
    ) -> Outcome<Result<Staged, StagedError>> {
        let mut options = Vec::new();
        if taking.live {
            options.push("--live".to_owned());
        }
        if let Some(hash) = taking.unless {
            options.push(format!("--unless={}", String::from(hash)));
        }
        let is_incremental = taking.cause == Cause::Period;
        let mut base = None;
        if is_incremental {
            options.push(format!("--incremental={new}"));
            base = self.snapshot_base(tenant).await?;
        }
        let (packs, stdin) = match base {
            Some((base, index)) => {
                options.push(format!("--base={}", String::from(base.sha256)));
                (base.packs, Stdin::Stream(index))
            }
            None => (Vec::new(), Stdin::Nothing),
        };
        let mut command = vec!["/opt/agent/agent", "snapshot"];
        command.extend(options.iter().map(String::as_str));
        let ended = container.run_to_end(&command, stdin, STAGE_LIMIT).await?;
        let said = match ended.code {
            0 => ended.stdout,
            // Its own word, which no later try may change.
            _ => {
                let failure = ended.failure();
                let detail = "The agent's state could not be saved: its container refused.";
                return Err(Failure::new(
                    Code::AgentBadResponse,
                    detail,
                    failure.context.unwrap_or_default(),
                ));
            }
        };
        Ok(match is_incremental {
            true => Staged::parse_incremental(&said, new, &packs),
            false => Staged::parse(&said),
        })
    }

    /// Stores what was staged, and writes the row by which it counts.
    async fn store_staged(
        &self,
        container: &Container,
        tenant: &Tenant,
        taking: &Taking,
        new: PackId,
        staged: Staged,
    ) -> Outcome<()> {
        let key = tenant.prefix().snapshot(taking.id);
        let whole = (staged.size, staged.sha256);
        match staged.pack {
            None => self.store_part(container, None, &key, whole).await?,
            Some(pack) => {
                let (pack_key, facts) = (tenant.prefix().pack(new), (pack.size, pack.sha256));
                self.store_part(container, Some("--part=pack"), &pack_key, facts)
                    .await?;
                self.store_part(container, Some("--part=index"), &key, whole)
                    .await?;
            }
        }
        let snapshot = Snapshot {
            id: taking.id,
            created_at: now(),
            cause: taking.cause,
            size: staged.size,
            files: staged.files,
            sha256: staged.sha256,
            openclaw: staged.openclaw,
            report: staged.report,
            packs: staged.packs,
            unfit: false,
        };
        self.add_row(tenant, &snapshot, new)
    }

    async fn store_part(
        &self,
        container: &Container,
        part: Option<&str>,
        key: &R2Key,
        (size, sha256): (u64, ArchiveHash),
    ) -> Outcome<()> {
        let bucket = settings::bucket(&self.env)?;
        let mut command = vec!["/opt/agent/agent", "send"];
        command.extend(part);
        let process = container.exec(&command, Stdin::Nothing).await?;
        let (readable, piped) = pipe_fixed(process.take_stdout()?, size, None)?;
        let transfer = async {
            let put = async {
                // R2 compares length and hash itself and stores nothing that differs.
                let stored = bucket
                    .put(key.as_str(), readable)
                    .sha256(sha256.as_bytes().to_vec())
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
        is_there(&bucket, key, size).await
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
            let all = self.store.snapshots(tenant.owner)?;
            let ids = surplus(&all, keep, chosen);
            for gone in all.iter().filter(|snapshot| ids.contains(&snapshot.id)) {
                // The row first: a row without its archive would be a snapshot that can't be restored.
                self.store.delete_snapshot(tenant.owner, gone.id)?;
                bucket
                    .delete(tenant.prefix().snapshot(gone.id).as_str())
                    .await
                    .stored("R2 delete")?;
                self.delete_packs(tenant, &gone.packs).await?;
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
        for (skipped, snapshot) in candidates.iter().enumerate() {
            let ended = match snapshot.is_incremental() {
                true => self.restore_incremental(container, &tenant, snapshot).await,
                false => self.restore_archive(container, &tenant, snapshot).await,
            };
            match ended? {
                None => self.log(&storage_failure(format!(
                    "snapshot {} is missing in R2 or has another length",
                    snapshot.id
                ))),
                Some(ended) if ended.code == 0 => {
                    return Ok(Some(Restored::Some {
                        size: snapshot.total(),
                        skipped,
                    }));
                }
                // The archive is at fault: an older one may do.
                Some(ended) if ended.code == BAD_ARCHIVE => {
                    self.log(&ended.failure());
                    self.distrust(&tenant, snapshot)?;
                }
                // The container is: the same archive may do in the next one.
                Some(ended) => return Err(ended.failure()),
            }
        }
        Ok(None)
    }

    /// How `restore` ended; `None` where R2 does not have what it would restore.
    async fn restore_archive(
        &self,
        container: &Container,
        tenant: &Tenant,
        snapshot: &Snapshot,
    ) -> Outcome<Option<Ended>> {
        let key = tenant.prefix().snapshot(snapshot.id);
        let bucket = settings::bucket(&self.env)?;
        let Some(stream) = stream_of(&bucket, &key, snapshot.size).await? else {
            return Ok(None);
        };
        let ended = restoring(container, snapshot, stream).await?;
        Ok(Some(ended))
    }

    async fn restore_incremental(
        &self,
        container: &Container,
        tenant: &Tenant,
        snapshot: &Snapshot,
    ) -> Outcome<Option<Ended>> {
        let bucket = settings::bucket(&self.env)?;
        if !self.has_packs(tenant, snapshot).await? {
            return Ok(None);
        }
        let chain = Chain::of(tenant, snapshot)?;
        let restoring = core::pin::pin!(restoring(container, snapshot, chain.readable()));
        let pouring = core::pin::pin!(chain.pour(&bucket));
        match select(restoring, pouring).await {
            // It need not read all to know that it can't be used.
            Either::Left((ended, _)) => Ok(Some(ended?)),
            Either::Right((Ok(true), restoring)) => Ok(Some(restoring.await?)),
            // What came short was refused.
            Either::Right((Ok(false), restoring)) => restoring.await.map(|_| None),
            // It may have ended because who reads has seen enough.
            Either::Right((Err(failure), restoring)) => match restoring.await? {
                ended if ended.code == BAD_ARCHIVE => Ok(Some(ended)),
                _ => Err(failure),
            },
        }
    }
}

async fn restoring(
    container: &Container,
    snapshot: &Snapshot,
    stream: ReadableStream,
) -> Outcome<Ended> {
    let (size, hash) = (snapshot.size.to_string(), String::from(snapshot.sha256));
    let packs: Vec<String> = snapshot.packs.iter().map(Pack::option).collect();
    let packs = format!("--packs={}", packs.join(","));
    let mut command = vec![
        "/opt/agent/agent",
        "restore",
        "--sha256",
        &hash,
        "--size",
        &size,
    ];
    if snapshot.is_incremental() {
        command.push(&packs);
    }
    container
        .run_to_end(&command, Stdin::Stream(stream), TRANSFER_LIMIT)
        .await
}
