/** The longest delay that a timer takes, in milliseconds: 24.8 days. */
export const maxDelayMs = 2_147_483_647;
