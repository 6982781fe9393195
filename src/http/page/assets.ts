import type { HttpResponse } from "../http_server.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

/**
 * What the page may do: nothing comes from elsewhere, no markup is made from text, and no other
 * site may show it.
 */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  // The icon is in the page.
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** The response with the page, without its body. */
export const PAGE: Omit<HttpResponse, "body"> = {
  status: 200,
  type: "text/html; charset=utf-8",
  headers: { "content-security-policy": POLICY },
};

/** The files that the page loads, by their path. */
export const PAGE_ASSETS: ReadonlyMap<string, HttpResponse> = new Map([
  ["/page.css", { status: 200, type: "text/css; charset=utf-8", body: STYLE }],
  ["/page.js", { status: 200, type: "text/javascript; charset=utf-8", body: SCRIPT }],
]);
