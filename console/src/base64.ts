// Bytes as base64, with its padding: how the service takes them in JSON and in headers.

export function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
