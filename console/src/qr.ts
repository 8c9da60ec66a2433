// A QR code as a drawing. Black on white whatever the page's colours are, with the quiet margin that scanners ask for.
import { encode } from "uqr";

const SVG = "http://www.w3.org/2000/svg";
const QUIET_MODULES = 4;

/** The dark modules of the code, each a square of one unit, as the path of a drawing that is `size` units wide. */
export function qrPath(text: string): { readonly size: number; readonly path: string } {
  const { data, size } = encode(text, { ecc: "M", border: QUIET_MODULES });
  const squares = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return { size, path: squares.join("") };
}

export function qrCode(text: string, label: string): SVGElement {
  const { size, path } = qrPath(text);
  const svg = document.createElementNS(SVG, "svg");
  const dark = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.setAttribute("shape-rendering", "crispEdges");
  dark.setAttribute("d", path);
  svg.append(dark);
  return svg;
}
