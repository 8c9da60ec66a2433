//! The packs of incremental snapshots between the container and R2, and which of them may go (C19).
//!
//! What a row refers to is never deleted: rows are read and changed with no await between that and the decision.

use std::collections::BTreeMap;

use js_sys::futures::JsFuture;
use js_sys::{Object, Promise, Reflect};
use multiclaw_core::ids::PackId;
use multiclaw_core::packs::{Pack, base, is_whole, referred};
use multiclaw_core::snapshot::Snapshot;
use multiclaw_core::tenancy::{R2Key, Tenant};
use wasm_bindgen::prelude::*;
use worker::web_sys::ReadableStream;
use worker::{Bucket, ResponseBody};

use crate::Agent;
use crate::port::{Outcome, Tried as _, storage_failure};
use crate::settings;
use crate::snapshots::FixedLengthStream;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type Source;
    #[wasm_bindgen(method, catch, js_name = pipeTo)]
    fn pipe_to(this: &Source, sink: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = Object)]
    type Sink;
    #[wasm_bindgen(method, catch)]
    fn abort(this: &Sink) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &Sink) -> Result<Promise, JsValue>;
}

/// An object's bytes; `None` when it is not there in this length.
pub async fn stream_of(bucket: &Bucket, key: &R2Key, size: u64) -> Outcome<Option<ReadableStream>> {
    let object = bucket.get(key.as_str()).execute().await.stored("R2 get")?;
    // R2 holds what was put whole; another length is another archive.
    let whole = object.as_ref().filter(|object| object.size() == size);
    let Some(body) = whole.and_then(worker::Object::body) else {
        return Ok(None);
    };
    match body.response_body().stored("R2 get")? {
        ResponseBody::Stream(stream) => Ok(Some(stream)),
        _ => Err(storage_failure("R2 get: no stream".to_owned())),
    }
}

/// One after the other as one stream, which ends early where one is not there.
pub struct Chain {
    parts: Vec<(R2Key, u64)>,
    fixed: FixedLengthStream,
}

impl Chain {
    /// The index of a snapshot, then its packs.
    pub fn of(tenant: &Tenant, snapshot: &Snapshot) -> Outcome<Self> {
        let prefix = tenant.prefix();
        let index = (prefix.snapshot(snapshot.id), snapshot.size);
        let packs = snapshot.packs.iter();
        let packs = packs.map(|pack| (prefix.pack(pack.id), pack.size));
        Ok(Self {
            parts: [index].into_iter().chain(packs).collect(),
            fixed: FixedLengthStream::of(snapshot.total())?,
        })
    }

    pub fn readable(&self) -> ReadableStream {
        self.fixed.readable()
    }

    /// Gives all of it to who reads. Tells whether all of it was there.
    pub async fn pour(&self, bucket: &Bucket) -> Outcome<bool> {
        let sink: Sink = self.fixed.writable().unchecked_into();
        let poured = self.pour_into(bucket, &sink).await;
        let ended = match poured {
            Ok(true) => sink.close(),
            _ => sink.abort(),
        };
        // Who reads may be gone.
        if let Ok(ended) = ended {
            let _ = JsFuture::from(ended).await;
        }
        poured
    }

    async fn pour_into(&self, bucket: &Bucket, sink: &Sink) -> Outcome<bool> {
        let options = Object::new();
        Reflect::set(&options, &"preventClose".into(), &JsValue::TRUE).tried("stream options")?;
        for (key, size) in &self.parts {
            // Each only when it is its turn: a request may have few connections open at a time.
            let Some(stream) = stream_of(bucket, key, *size).await? else {
                return Ok(false);
            };
            let source: Source = JsValue::from(stream).unchecked_into();
            let piped = source.pipe_to(sink, &options).tried("stream of a pack")?;
            JsFuture::from(piped).await.stored("stream of a pack")?;
        }
        Ok(true)
    }
}

impl Agent {
    /// The packs of the tenant that are in R2, and their sizes.
    async fn packs_there(&self, tenant: &Tenant) -> Outcome<BTreeMap<PackId, u64>> {
        let bucket = settings::bucket(&self.env)?;
        let prefix = tenant.prefix();
        let mut there = BTreeMap::new();
        let mut list = bucket.list().prefix(prefix.packs());
        loop {
            let found = list.execute().await.stored("R2 list")?;
            for object in found.objects() {
                if let Some(id) = prefix.pack_at(&object.key()) {
                    there.insert(id, object.size());
                }
            }
            match found.cursor().filter(|_| found.truncated()) {
                Some(cursor) => list = bucket.list().prefix(prefix.packs()).cursor(cursor),
                None => return Ok(there),
            }
        }
    }

    /// What the next incremental snapshot builds on, and its index. Where it can't be had the next one is made of nothing
    /// but itself, so it heals what was lost in R2.
    pub(crate) async fn snapshot_base(
        &self,
        tenant: &Tenant,
    ) -> Outcome<Option<(Snapshot, ReadableStream)>> {
        let rows = self.store.snapshots(tenant.owner)?;
        if !rows.iter().any(Snapshot::is_incremental) {
            return Ok(None);
        }
        let there = self.packs_there(tenant).await?;
        let Some(base) = base(&rows, &there) else {
            return Ok(None);
        };
        let key = tenant.prefix().snapshot(base.id);
        let index = stream_of(&settings::bucket(&self.env)?, &key, base.size).await?;
        Ok(index.map(|index| (base.clone(), index)))
    }

    /// Whether all packs of a snapshot are in R2.
    pub(crate) async fn has_packs(&self, tenant: &Tenant, snapshot: &Snapshot) -> Outcome<bool> {
        Ok(is_whole(snapshot, &self.packs_there(tenant).await?))
    }

    /// Writes the row, unless packs that it builds on went meanwhile with the last row that referred to them.
    pub(crate) fn add_row(&self, tenant: &Tenant, snapshot: &Snapshot, new: PackId) -> Outcome<()> {
        let kept = referred(&self.store.snapshots(tenant.owner)?);
        let mut others = snapshot.packs.iter().filter(|pack| pack.id != new);
        if others.any(|pack| !kept.contains(&pack.id)) {
            return Err(storage_failure(
                "what the snapshot builds on was deleted meanwhile".to_owned(),
            ));
        }
        self.store.add_snapshot(tenant.owner, snapshot)?;
        self.waiting.tell();
        Ok(())
    }

    /// Nothing is to be built on an incremental snapshot that a container refused.
    pub(crate) fn distrust(&self, tenant: &Tenant, snapshot: &Snapshot) -> Outcome<()> {
        if !snapshot.is_incremental() {
            return Ok(());
        }
        let unfit = Snapshot {
            unfit: true,
            ..snapshot.clone()
        };
        self.store.change_snapshot(tenant.owner, &unfit)
    }

    /// Deletes those of `packs` that no row refers to, now that the rows that did are gone. What this leaves the sweep takes.
    pub(crate) async fn delete_packs(&self, tenant: &Tenant, packs: &[Pack]) -> Outcome<()> {
        let bucket = settings::bucket(&self.env)?;
        let kept = referred(&self.store.snapshots(tenant.owner)?);
        for pack in packs.iter().filter(|pack| !kept.contains(&pack.id)) {
            let key = tenant.prefix().pack(pack.id);
            bucket.delete(key.as_str()).await.stored("R2 delete")?;
        }
        Ok(())
    }
}
