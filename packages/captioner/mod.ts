/**
 * Captions of slices, a store for them, and frozen 2D encoders that need no network and no weights.
 *
 * ```ts
 * import { chooseInformativeSlices, extractSlice, makePhantom } from "@med3d/volume";
 * import { captionSlices, CaptionStore, fitSliceTextEncoder, MeasuringCaptioner } from "@med3d/captioner";
 *
 * const { volume } = makePhantom("patient 1", { shape: [32, 32, 32] });
 * const slices = chooseInformativeSlices(volume).map(({ plane, index }) => extractSlice(volume, plane, index));
 *
 * using store = CaptionStore.open(":memory:"); // or a file: what is there is not made again
 * const captions = await captionSlices(slices, { captioner: new MeasuringCaptioner(), store });
 * console.log(captions[0]!.text);
 *
 * const images = slices.map(({ image }) => image);
 * const encoder = fitSliceTextEncoder(images, captions.map(({ text }) => text), { width: 16 });
 * const [slice] = await encoder.encodeSlices(images.slice(0, 1));
 * const [caption] = await encoder.encodeTexts([captions[0]!.text]);
 * console.log(slice!.reduce((sum, value, axis) => sum + value * caption![axis]!, 0)); // cosine
 * ```
 *
 * @module
 */
export { assertCaptionerAllowed } from "./assert_captioner_allowed.ts";
export { captionSlices, type CaptionSlicesOptions, type SliceToCaption } from "./caption_slices.ts";
export * from "./contract.ts";
export { EmbeddingStore, type EmbeddingStoreOptions, type StoredEmbedding } from "./embeddings/embedding_store.ts";
export { EmbeddingStoreError } from "./embeddings/embedding_store_error.ts";
export { hashText, storedEncoder, type StoredEncoderOptions } from "./embeddings/stored_encoder.ts";
export { EmbeddedEncoder } from "./encoders/embedded_encoder.ts";
export { type FitOptions, fitSliceTextEncoder } from "./encoders/fit_slice_text_encoder.ts";
export type { EncoderKind, EncoderWindow } from "./encoders/onnx/encoder_settings.ts";
export { OnnxEncoder, type OnnxEncoderOptions } from "./encoders/onnx/onnx_encoder.ts";
export { loadOnnxRuntime, type OnnxRuntime, type OnnxSession, type OnnxTensor } from "./encoders/onnx/onnx_runtime.ts";
export { hashSliceInContext } from "./hash_slice_in_context.ts";
export { InProcessCaptioner, type InProcessCaptionerOptions } from "./in_process/in_process_captioner.ts";
export { measureSlice } from "./measure/measure_slice.ts";
export * from "./measure/slice_measurements.ts";
export { MeasuringCaptioner, type MeasuringCaptionerOptions } from "./measuring_captioner.ts";
export {
  assertEndpointAllowed,
  REMOTE_ACKNOWLEDGEMENT,
  type SendingConsent,
} from "./privacy/assert_endpoint_allowed.ts";
export { type AuditEntry, AuditLog } from "./privacy/audit_log.ts";
export { dicomSendingFaults, inspectDicomForSending } from "./privacy/dicom_sending_faults.ts";
export { maskedFaceCaptioner, showsMaskedFaces } from "./privacy/masked_face_captioner.ts";
export { maskFace } from "./privacy/mask_face.ts";
export {
  type CaptionPrompt,
  definePrompt,
  type FilledPrompt,
  fillPrompt,
  type PromptTemplate,
} from "./prompts/caption_prompt.ts";
export { SLICE_PLAIN_V1 } from "./prompts/slice_plain_v1.ts";
export { SLICE_STRUCTURED_V1 } from "./prompts/slice_structured_v1.ts";
export type { CaptionFault, CaptionFaultCode } from "./quality/caption_fault.ts";
export { GATE_VERSION, judgeCaption, type JudgeOptions } from "./quality/judge_caption.ts";
export { RepetitionMemory, type RepetitionMemoryOptions } from "./quality/repetition_memory.ts";
export { readReports, type ReadReportsOptions, ReportCaptioner, ReportCollection } from "./reports/report_captioner.ts";
export { captionRecord, isRecordingCaptioner } from "./remote/caption_record.ts";
export { CaptionerStoppedError, CaptionRefusedError } from "./remote/caption_refused_error.ts";
export { RemoteCaptioner, type RequestPreview } from "./remote/remote_captioner.ts";
export type { RemoteCaptionerOptions } from "./remote/remote_captioner_options.ts";
export {
  type CtWindow,
  type RenderedSlice,
  renderForModel,
  type RenderForModelOptions,
} from "./remote/render_for_model.ts";
export {
  RequestBudget,
  type RequestBudgetOptions,
  type TokenCount,
  type TokenPrices,
} from "./remote/request_budget.ts";
export { type CaptionRunResult, captionScans, type CaptionScansOptions } from "./run/caption_scans.ts";
export type { CaptionRunTotals } from "./run/run_totals.ts";
export { type ScanToCaption, selectionKey } from "./run/scan_to_caption.ts";
export type { CaptionClaims, ClaimOptions, ClaimResult } from "./store/caption_claims.ts";
export * from "./store/caption_entry.ts";
export { CaptionStore, type CaptionStoreOptions } from "./store/caption_store.ts";
export { CaptionStoreError } from "./store/caption_store_error.ts";
export { type MergeResult, mergeStores } from "./store/merge_stores.ts";
export type { SliceSelections } from "./store/slice_selections.ts";
export { cleanCaptionText, MAX_CAPTION_LENGTH } from "./text/clean_caption_text.ts";
export { tokeniseCaption } from "./text/tokenise_caption.ts";
export { Tokeniser, type TokeniserOptions } from "./tokenisers/tokeniser.ts";
export { describeMeasurements, type DescribeOptions } from "./words/describe_measurements.ts";
