// Any bytes as a keys file: either keys with unique names and digests that are written back
// unchanged, or an error that names a line.
#include "runtime/access/keys.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <set>
#include <string>

using namespace tayfa;

namespace {

bool same(const access::access_key& a, const access::access_key& b) {
  return a.name == b.name && a.client == b.client && a.worker == b.worker &&
         a.is_operator == b.is_operator && a.tenant == b.tenant && a.endpoints == b.endpoints &&
         a.digest == b.digest;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(bytes), size};
  const auto keys = access::parse_keys(text);
  if (!keys) {
    fuzz::require(keys.error().code == errc::bad_config && !keys.error().text.empty(),
                  "a file that is refused says why");
    return 0;
  }
  std::set<std::string> names;
  std::set<access::key_digest> digests;
  for (const auto& key : *keys) {
    names.insert(key.name);
    digests.insert(key.digest);
    const auto line = access::key_line(key);
    fuzz::require(line.has_value(), "what was read can be written");
    const auto again = access::parse_keys(*line);
    fuzz::require(again && again->size() == 1 && same(again->front(), key),
                  "what was written is what was read");
    fuzz::require(key.client || key.worker || key.is_operator, "a key is for something");
  }
  fuzz::require(names.size() == keys->size() && digests.size() == keys->size(),
                "no name and no key is there twice");
  if (!keys->empty()) {
    const auto less = access::without_key(text, keys->back().name);
    fuzz::require(less.has_value(), "a key that is there can be removed");
    const auto rest = access::parse_keys(*less);
    fuzz::require(rest && rest->size() + 1 == keys->size(), "and only it is removed");
  }
  return 0;
}
