#include "messages/job.hpp"

namespace tayfa {

std::string_view to_string(wait_reason why) {
  switch (why) {
#define TAYFA_X(name, text)                                                                        \
  case wait_reason::name: return #name;
    TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
  }
  return "none";
}

std::string_view describe(wait_reason why) {
  switch (why) {
#define TAYFA_X(name, text)                                                                        \
  case wait_reason::name: return text;
    TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
  }
  return {};
}

} // namespace tayfa
