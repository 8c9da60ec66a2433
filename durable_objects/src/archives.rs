//! Snapshots in their owner's hands: download, upload, delete; and what nobody has a row of is swept from R2.
//!
//! Bytes go between browser and R2 as the runtime's own streams, never through this object's memory.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeSet;
use std::rc::Rc;

use futures_util::future::try_join;
use js_sys::futures::JsFuture;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::SnapshotId;
use multiclaw_core::messages::Caller;
use multiclaw_core::packs::referred;
use multiclaw_core::retention::MAX_UPLOADS;
use multiclaw_core::snapshot::{Cause, Report, Snapshot};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::{Seconds, Timestamp};
use multiclaw_core::upload::{MEDIA_TYPE, Upload, repr_digest};
use worker::wasm_bindgen_futures::spawn_local;
use worker::web_sys::AbortController;
use worker::{Request, Response, ResponseBody, ResponseBuilder};

use crate::Agent;
use crate::packs::stream_of;
use crate::port::{Outcome, Tried as _, now, random, within};
use crate::reply::{empty, json};
use crate::settings;
use crate::snapshots::{is_there, pipe_fixed};
use crate::watch::Care;

/// The Worker waits for no longer.
const UPLOAD_LIMIT: Duration = Duration::from_secs(300);
/// What is in R2 without a row for so long is nobody's any more: no transfer takes as long.
const ORPHAN_AGE: Seconds = Seconds::new(3600);

/// The uploads under way, which have no row yet.
#[derive(Clone, Default)]
pub struct Uploads(Rc<RefCell<BTreeSet<(u32, SnapshotId)>>>);

/// One of them, of a tenure.
struct Under(Uploads, (u32, SnapshotId));

impl Uploads {
    fn begin(&self, tenure: u32, id: SnapshotId) -> Under {
        self.0.borrow_mut().insert((tenure, id));
        Under(self.clone(), (tenure, id))
    }

    fn holds(&self, id: SnapshotId) -> bool {
        self.0.borrow().iter().any(|(_, under)| *under == id)
    }

    fn any(&self, tenure: u32) -> bool {
        self.0.borrow().iter().any(|(of, _)| *of == tenure)
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}

/// Whether it was what was sent that R2 did not take, by the runtime's and R2's own words.
fn is_senders(failure: &Failure) -> bool {
    const WORDS: [&str; 5] = [
        "FixedLengthStream",
        "checksum",
        "did not match",
        "disconnected",
        "took longer",
    ];
    let context = failure.context.as_deref().unwrap_or_default();
    WORDS.iter().any(|word| context.contains(word))
}

impl Agent {
    fn known_snapshot(&self, tenant: &Tenant, id: SnapshotId) -> Outcome<Snapshot> {
        let mut all = self.store.snapshots(tenant.owner)?.into_iter();
        let found = all.find(|snapshot| snapshot.id == id);
        found.ok_or_else(|| Problem::new(Code::NotFound, "There is no such snapshot.").into())
    }

    pub(crate) async fn download(
        &self,
        caller: Caller,
        tenant: &Tenant,
        id: SnapshotId,
    ) -> Outcome<Response> {
        let snapshot = self.known_snapshot(tenant, id)?;
        if snapshot.is_incremental() {
            let detail = "This snapshot is incremental: it is no archive that could be downloaded. Take one now, and download that.";
            return Err(Problem::new(Code::WrongState, detail).into());
        }
        let key = tenant.prefix().snapshot(id);
        let stream = stream_of(&settings::bucket(&self.env)?, &key, snapshot.size).await?;
        let stream = stream.ok_or_else(|| {
            Failure::new(
                Code::StorageUnavailable,
                "The archive of this snapshot is missing or damaged. Delete it, and use another.",
                "R2 get: missing or of another length",
            )
        })?;
        // However long it takes, it ends with its session (C07).
        let controller = AbortController::new().tried("abort controller")?;
        let (stream, piped) = pipe_fixed(stream, snapshot.size, Some(&controller.signal().into()))?;
        spawn_local(async move {
            // Who reads sees that it ended early.
            let _ = JsFuture::from(piped).await;
        });
        self.connections.hold(caller.session, &controller);
        let name = format!("attachment; filename=\"{}.tar.zst\"", snapshot.id);
        let mut builder = ResponseBuilder::new();
        for (header, value) in [
            ("content-type", MEDIA_TYPE),
            ("content-length", &snapshot.size.to_string()),
            ("content-disposition", &name),
            ("repr-digest", &repr_digest(snapshot.sha256)),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            builder = builder.with_header(header, value).tried("download")?;
        }
        Ok(builder.body(ResponseBody::Stream(stream)))
    }

    pub(crate) async fn delete_archive(
        &self,
        tenant: &Tenant,
        id: SnapshotId,
    ) -> Outcome<Response> {
        let snapshot = self.known_snapshot(tenant, id)?;
        let all = self.store.snapshots(tenant.owner)?;
        let newest = all.iter().find(|snapshot| snapshot.cause != Cause::Upload);
        let is_in_use = self.life()?.restore == Some(id);
        if newest.is_some_and(|newest| newest.id == id) && snapshot.cause != Cause::Upload {
            let detail = "The newest snapshot is what the agent goes on from, so it can't be deleted. Take another one first.";
            return Err(Problem::new(Code::WrongState, detail).into());
        }
        if is_in_use {
            let detail = "This snapshot is about to be restored. Delete it after that.";
            return Err(Problem::new(Code::WrongState, detail).into());
        }
        // The row first: a row without its archive would be a snapshot that can't be restored.
        self.store.delete_snapshot(tenant.owner, id)?;
        // What it held may be in no other.
        let mut life = self.life()?;
        life.saved = None;
        self.store.save_life(&life)?;
        let bucket = settings::bucket(&self.env)?;
        let key = tenant.prefix().snapshot(id);
        let deleted = async {
            bucket.delete(key.as_str()).await.stored("R2 delete")?;
            self.delete_packs(tenant, &snapshot.packs).await
        };
        if let Err(failure) = deleted.await {
            // It counts no more; the sweep takes it.
            self.log(&failure);
        }
        Ok(empty())
    }

    /// Takes an archive that its owner sends. It is checked as any other when it is restored, and that only when it is chosen.
    pub(crate) async fn take_upload(&self, upload: Upload, request: Request) -> Outcome<Response> {
        let (_, domain) = self.admit(upload.caller, Care::Fresh).await?;
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let tenure = self.life()?.tenure;
        let all = self.store.snapshots(tenant.owner)?;
        let sent = all
            .iter()
            .filter(|snapshot| snapshot.cause == Cause::Upload);
        if sent.count() >= MAX_UPLOADS || self.uploads.any(tenure) {
            let detail = format!(
                "One upload at a time, and at most {MAX_UPLOADS} are kept: wait for the one under way, or delete one first."
            );
            return Err(Problem::new(Code::WrongState, detail).into());
        }
        let body = request
            .inner()
            .body()
            .ok_or_else(|| Problem::new(Code::MalformedBody, "The body must be the archive."))?;
        let id = SnapshotId::from_random(random()?);
        let _under = self.uploads.begin(tenure, id);
        let bucket = settings::bucket(&self.env)?;
        let key = tenant.prefix().snapshot(id);
        let controller = AbortController::new().tried("abort controller")?;
        let (readable, piped) = pipe_fixed(body, upload.size, Some(&controller.signal().into()))?;
        self.connections.hold(upload.caller.session, &controller);
        let put = async {
            let stored = bucket
                .put(key.as_str(), readable)
                .sha256(upload.sha256.as_bytes().to_vec())
                .execute();
            stored.await.map(drop).stored("R2 put")
        };
        let piped = async { JsFuture::from(piped).await.map(drop).stored("upload") };
        let stored = async {
            try_join(put, piped).await?;
            is_there(&bucket, &key, upload.size).await
        };
        let done = within(UPLOAD_LIMIT, "upload by the owner", stored).await;
        let is_still_theirs = self.life()?.tenure == tenure;
        if (done.is_err() || !is_still_theirs)
            && let Err(orphan) = bucket.delete(key.as_str()).await.stored("R2 delete")
        {
            self.log(&orphan);
        }
        if !is_still_theirs {
            return Err(Problem::not_yours().into());
        }
        done.map_err(|failure| match is_senders(&failure) {
            true => Failure::new(
                Code::MalformedBody,
                "The archive did not come whole: its size or hash differ from what was announced, or it took more than 5 minutes.",
                failure.context.unwrap_or_default(),
            ),
            false => failure,
        })?;
        let snapshot = Snapshot {
            id,
            created_at: now(),
            cause: Cause::Upload,
            size: upload.size,
            files: 0,
            sha256: upload.sha256,
            openclaw: "unknown".to_owned(),
            report: Report::default(),
            packs: Vec::new(),
            unfit: false,
        };
        self.store.add_snapshot(tenant.owner, &snapshot)?;
        json(201, &snapshot)
    }

    /// Deletes what lies in R2 for the tenant and counts for nothing: left by a transfer that died in its middle. Failing
    /// leaves too much, which hurts nobody.
    pub(crate) async fn sweep_archives(&self, tenant: &Tenant) {
        let swept = async {
            let bucket = settings::bucket(&self.env)?;
            let prefix = tenant.prefix().to_string();
            let mut list = bucket.list().prefix(prefix.clone());
            loop {
                let found = list.execute().await.stored("R2 list")?;
                let rows = self.store.snapshots(tenant.owner)?;
                let archives = rows.iter().map(|row| tenant.prefix().snapshot(row.id));
                let packs = referred(&rows)
                    .into_iter()
                    .map(|id| tenant.prefix().pack(id));
                let known: BTreeSet<String> = archives
                    .chain(packs)
                    .map(|key| key.as_str().to_owned())
                    .collect();
                for object in found.objects() {
                    let key = object.key();
                    let uploaded_at = object.uploaded().as_millis();
                    let uploaded_at =
                        Timestamp::from_millis(i64::try_from(uploaded_at).unwrap_or(i64::MAX));
                    let is_old = uploaded_at.saturating_add(ORPHAN_AGE) < now();
                    let snapshot = tenant.prefix().snapshot_at(&key);
                    // What is neither is a newer version's.
                    let is_ours = snapshot.is_some() || tenant.prefix().pack_at(&key).is_some();
                    let is_coming = snapshot.is_some_and(|id| self.uploads.holds(id));
                    if is_ours && is_old && !known.contains(&key) && !is_coming {
                        bucket.delete(key.as_str()).await.stored("R2 delete")?;
                    }
                }
                match found.cursor().filter(|_| found.truncated()) {
                    Some(cursor) => list = bucket.list().prefix(prefix.clone()).cursor(cursor),
                    None => return Ok(()),
                }
            }
        };
        if let Err(failure) = swept.await {
            self.log(&failure);
        }
    }
}
