#include "messages/error.hpp"

namespace tayfa {

std::string_view to_string(errc e) {
  switch (e) {
#define TAYFA_X(code, number, status, text)                                                        \
  case errc::code: return #code;
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  }
  return "unknown";
}

std::string_view describe(errc e) {
  switch (e) {
#define TAYFA_X(code, number, status, text)                                                        \
  case errc::code: return text;
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  }
  return "unknown error";
}

unsigned http_status(errc e) {
  switch (e) {
#define TAYFA_X(code, number, status, text)                                                        \
  case errc::code: return status;
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  }
  return 500;
}

std::optional<errc> errc_from(std::uint16_t number) {
  switch (number) {
#define TAYFA_X(code, n, status, text)                                                             \
  case n: return errc::code;
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  default: return std::nullopt;
  }
}

std::string error::str() const {
  std::string out{to_string(code)};
  out += ": ";
  out += describe(code);
  if (!text.empty()) {
    out += ": ";
    out += text;
  }
  return out;
}

} // namespace tayfa
