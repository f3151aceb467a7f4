#include "messages/job.hpp"

#include <algorithm>

namespace tayfa {

bool job_access::covers(std::string_view endpoint, std::string_view of_tenant) const {
  const bool reaches = endpoints.empty() ||
                       std::find(endpoints.begin(), endpoints.end(), endpoint) != endpoints.end();
  return reaches && (!tenant || *tenant == of_tenant);
}

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
