/** Names of the files in a fine-tuning run's folder, beside the checkpoints and metrics that training writes. */
export const FINETUNING_FILES = {
  configuration: "configuration.json",
  checkpoints: "checkpoints",
  metrics: "metrics.jsonl",
  findings: "findings.json",
  evaluation: "evaluation.json",
  report: "report.html",
  weights: "model.safetensors",
  model: "model.json",
} as const;

/** Where runs go that name no folder. */
export const FINETUNING_FOLDER = "runs/finetune";
