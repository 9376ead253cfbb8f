import { AppError, type AppErrorInit, initOf } from "@shoal/kernel";

/** An error as text, without its cause. */
export function errorToText(error: AppError): string {
  return JSON.stringify(initOf(error));
}

/** The error of a text of {@link errorToText}. */
export function errorFromText(text: string): AppError {
  return new AppError(JSON.parse(text) as AppErrorInit);
}
