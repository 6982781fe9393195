/** Which program this is. */
export interface ProgramVersion {
  readonly version: string;
  /** The commit that an executable was compiled from. */
  readonly commit?: string;
}
