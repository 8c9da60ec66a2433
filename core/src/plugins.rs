//! The plugin section of a Metaplex Core account: a header that points to a registry at the end, whose records point back
//! to the plugins between the two. Only what the service shows or heeds is taken from it.

use crate::reader::Reader;

const HEADER_KEY: u8 = 3;
const REGISTRY_KEY: u8 = 4;
/// The number of plugin types known here. Records of a later type are passed over, as every client does.
const KNOWN_TYPES: u8 = 19;

const FREEZE_DELEGATE: u8 = 1;
const PERMANENT_FREEZE_DELEGATE: u8 = 5;
const ATTRIBUTES: u8 = 6;
const FREEZE_EXECUTE: u8 = 16;
const PERMANENT_FREEZE_EXECUTE: u8 = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account's plugins cannot be read")]
pub struct MalformedPlugins;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plugins {
    /// The asset cannot be transferred. Its owner is who they were.
    pub frozen: bool,
    /// The asset's wallet can execute nothing.
    pub execute_frozen: bool,
    /// Written by the collection's authority, not by the owner.
    pub attributes: Option<Vec<Attribute>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub key: String,
    pub value: String,
}

/// Reads the section of `account` that begins where `reader` stands, if there is one.
pub(crate) fn decode(account: &[u8], reader: Reader<'_>) -> Result<Plugins, MalformedPlugins> {
    if reader.remaining() == 0 {
        return Ok(Plugins::default());
    }
    section(account, reader).ok_or(MalformedPlugins)
}

fn section(account: &[u8], mut header: Reader<'_>) -> Option<Plugins> {
    if header.u8()? != HEADER_KEY {
        return None;
    }
    let registry_at = offset(&mut header)?;
    let first_plugin = account.len().checked_sub(header.remaining())?;
    let (before, registry) = account.split_at_checked(registry_at)?;

    let mut registry = Reader::new(registry);
    if registry.u8()? != REGISTRY_KEY {
        return None;
    }
    let records = registry.list(10, |reader| {
        let plugin_type = reader.u8()?;
        authority(reader)?;
        Some((plugin_type, offset(reader)?))
    })?;
    registry.list(13, external_record)?;

    let mut plugins = Plugins::default();
    for (plugin_type, at) in records {
        if plugin_type >= KNOWN_TYPES {
            continue;
        }
        if at < first_plugin {
            return None;
        }
        let mut plugin = Reader::new(before.get(at..)?);
        if plugin.u8()? != plugin_type {
            return None;
        }
        match plugin_type {
            FREEZE_DELEGATE | PERMANENT_FREEZE_DELEGATE => plugins.frozen |= plugin.bool()?,
            FREEZE_EXECUTE | PERMANENT_FREEZE_EXECUTE => plugins.execute_frozen |= plugin.bool()?,
            ATTRIBUTES => {
                let attributes = plugin.list(8, |reader| {
                    Some(Attribute {
                        key: reader.string()?,
                        value: reader.string()?,
                    })
                })?;
                // An account has one list: many records that point to one list would have it copied for each.
                if plugins.attributes.replace(attributes).is_some() {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(plugins)
}

/// Never cut down to the pointer size, which in WebAssembly is 32 bits: a huge offset must not become a small one.
fn offset(reader: &mut Reader<'_>) -> Option<usize> {
    usize::try_from(reader.u64()?).ok()
}

fn authority(reader: &mut Reader<'_>) -> Option<()> {
    match reader.u8()? {
        0..=2 => Some(()),
        3 => reader.array::<32>().map(drop),
        _ => None,
    }
}

/// Of a plugin kept by another program nothing is used, but the registry's end lies behind these records.
fn external_record(reader: &mut Reader<'_>) -> Option<()> {
    reader.u8()?;
    authority(reader)?;
    reader.option(|checks| {
        checks.list(5, |check| {
            check.u8()?;
            check.u32()
        })
    })?;
    reader.u64()?;
    reader.option(Reader::u64)?;
    reader.option(Reader::u64)?;
    Some(())
}
