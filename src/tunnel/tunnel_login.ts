/** The user name and password for a tunnel. */
export interface TunnelLogin {
  readonly username: string;
  readonly password: string;
}
