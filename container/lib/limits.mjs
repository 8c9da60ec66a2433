// Bounds shared by taking and restoring snapshots: what one writes the other must accept.

const MIB = 1024 * 1024;

export const MAX_INPUT_BYTES = MIB;
export const MAX_ARCHIVE_BYTES = 2048 * MIB;
export const MAX_STATE_BYTES = 4096 * MIB;
/** Files and directories. */
export const MAX_STATE_ENTRIES = 200_000;
/** Of a tar: headers, padding and directories come on top of the files' own bytes. */
export const MAX_UNPACKED = MAX_STATE_BYTES * 1.25 + MAX_STATE_ENTRIES * 2048;
/** That one incremental snapshot consists of: a restore reads them all. */
export const MAX_PACKS = 24;
export const MAX_LINKS = 10_000;
export const MAX_MANIFEST_BYTES = 4 * MIB;
export const MAX_DEPTH = 64;
/** Shorter values would hit by chance, and no key is that short. */
export const MIN_SECRET_LENGTH = 8;
