import { strict as assert } from "node:assert";
import { assertCaptionerAllowed } from "../assert_captioner_allowed.ts";
import { RemoteCaptioner } from "../remote/remote_captioner.ts";
import { assertEndpointAllowed, REMOTE_ACKNOWLEDGEMENT } from "./assert_endpoint_allowed.ts";
import { AuditLog } from "./audit_log.ts";

const consent = { allowRemote: ["models.example"], acknowledgement: REMOTE_ACKNOWLEDGEMENT };

Deno.test("assertEndpointAllowed: this machine is allowed under each of its names", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.10", "[::1]", "LOCALHOST", "localhost."]) {
    assert.ok(assertEndpointAllowed(`http://${host}:8000/v1`) instanceof URL, host);
    assertCaptionerAllowed({ id: "x", sendsTo: host });
  }
});

Deno.test("assertEndpointAllowed: other hosts need https, their own name and the acknowledgement, word for word", () => {
  assert.equal(assertEndpointAllowed("https://Models.Example/v1", consent).hostname, "models.example");
  const cases: [RegExp, string, object][] = [
    [/not encrypted: got http:\/\/models\.example, expected https/, "http://models.example/v1", consent],
    [/not allowed: got https:\/\/models\.example, expected a server on this machine/, "https://models.example/v1", {}],
    [/not allowed.*expected one of models\.example/, "https://a.models.example/v1", consent],
    [/not allowed/, "https://models.example.evil.example/v1", consent],
    [/not allowed/, "https://127.0.0.1.evil.example/v1", {}],
    [/not allowed/, "https://0.0.0.0/v1", {}],
    [/not encrypted/, "http://10.0.0.1/v1", {}],
    [/acknowledgement is missing/, "https://models.example/v1", { allowRemote: ["models.example"] }],
    [/acknowledgement is missing/, "https://models.example/v1", { ...consent, acknowledgement: "yes" }],
  ];
  for (const [message, endpoint, given] of cases) assert.throws(() => assertEndpointAllowed(endpoint, given), message);
});

Deno.test("assertEndpointAllowed: malformed addresses are refused, and no password in them is told", () => {
  for (
    const endpoint of [
      "models",
      "ftp://localhost/",
      "http://localhost/v1?key=hush",
      "http://localhost/#hush",
      "http://me:hush@localhost/",
    ]
  ) {
    assert.throws(
      () => assertEndpointAllowed(endpoint),
      (error) =>
        error instanceof TypeError && /Cannot use the endpoint: it is malformed/.test(error.message) &&
        !/hush/.test(error.message),
    );
  }
});

Deno.test("RemoteCaptioner: hosts beyond this machine need consent and an audit file", async () => {
  const options = { endpoint: "https://models.example/v1", model: "a", ...consent };
  assert.throws(() => new RemoteCaptioner(options), /slices for models\.example need an audit file: got none/);
  assert.throws(() => new RemoteCaptioner({ endpoint: options.endpoint, model: "a" }), /not allowed/);
  const path = await Deno.makeTempFile();
  await using audit = await AuditLog.open(path);
  using captioner = new RemoteCaptioner({ ...options, audit });
  assert.equal(captioner.sendsTo, "models.example");
  assert.throws(() => assertCaptionerAllowed(captioner), /got host "models\.example", expected none/);
  assertCaptionerAllowed(captioner, ["MODELS.example"]);
  await Deno.remove(path);
});
