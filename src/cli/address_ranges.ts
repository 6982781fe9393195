import { type AddressRange, parseAddressRange } from "../platform/address_range.ts";
import { invalid } from "./config_error.ts";
import type { OptionType } from "./option_types.ts";

const EXPECTED = "expected IP addresses and ranges such as 10.0.0.0/8, separated by commas";

/** Ranges of IP addresses. */
export const addressRanges: OptionType<AddressRange[]> = {
  placeholder: "CIDR,...",
  parse({ source, text }) {
    return text.split(",").map((part) => {
      const range = part.trim();
      try {
        return parseAddressRange(range);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        const reason = error.message.replace(/^./, (letter) => letter.toLowerCase());
        throw invalid({ source, text: range }, `${reason}; ${EXPECTED}`);
      }
    });
  },
};
