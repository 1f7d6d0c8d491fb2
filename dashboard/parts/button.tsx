import type { ComponentProps } from "react";
import styles from "./button.module.css";

interface ButtonProps extends ComponentProps<"button"> {
  readonly kind?: "plain" | "main" | "quiet";
}

export function Button({ kind = "plain", className, ...rest }: ButtonProps) {
  return <button type="button" className={`${styles.button} ${styles[kind]} ${className ?? ""}`} {...rest} />;
}
