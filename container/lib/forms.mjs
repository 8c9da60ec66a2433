// The forms in which a secret value may lie in a file: as it is, and in the usual encodings.

/**
 * @param {string} value
 * @returns {Buffer[]} each form once, and none that a shorter one already finds
 */
export function formsOf(value) {
  const bytes = Buffer.from(value, "utf8");
  const json = JSON.stringify(value).slice(1, -1);
  const wide = Buffer.from(value, "utf16le");
  const hex = bytes.toString("hex");
  const texts = [value, json, json.replaceAll("/", "\\/"), ...percentEncoded(value), hex, hex.toUpperCase()];
  for (const before of [0, 1, 2]) {
    const base64 = base64Within(bytes, before);
    texts.push(base64, base64.replaceAll("+", "-").replaceAll("/", "_"));
  }
  const forms = [...new Set(texts)].map((text) => Buffer.from(text, "utf8"));
  return [...forms, wide, Buffer.from(wide).swap16()];
}

/**
 * Programs do not agree which characters they encode, nor in which case.
 * @param {string} value
 */
function percentEncoded(value) {
  const all = encodeURIComponent(value);
  const texts = [
    all,
    all.replaceAll("%2F", "/"),
    encodeURI(value),
    new URLSearchParams([["", value]]).toString().slice(1),
  ];
  return [...texts, ...texts.map((text) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
}

/**
 * Base64 of the bytes where they follow `before` other ones (modulo 3): only the characters that depend on no neighbour.
 * @param {Buffer} bytes
 * @param {number} before
 */
function base64Within(bytes, before) {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
}
