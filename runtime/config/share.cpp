#include "runtime/config/share.hpp"

#include "messages/job.hpp"

#include <charconv>

namespace tayfa {

namespace {

template <class Number>
bool whole(std::string_view text, Number& value) {
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return !text.empty() && read.ec == std::errc{} && read.ptr == end;
}

} // namespace

result<tenant_share> parse_share(std::string_view text) {
  const auto bad = [] {
    return fail(errc::bad_config,
                "is not name=weight or name=weight:jobs, with a weight from 0.001 to 1000");
  };
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos || equals > job_policy::name_max) {
    return bad();
  }
  tenant_share share;
  share.name = text.substr(0, equals);
  auto rest = text.substr(equals + 1);
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    if (!whole(rest.substr(colon + 1), share.running_max.emplace())) {
      return bad();
    }
    rest = rest.substr(0, colon);
  }
  if (!whole(rest, share.weight) || !(share.weight >= 0.001 && share.weight <= 1000)) {
    return bad();
  }
  return share;
}

} // namespace tayfa
