// Any bytes as a join string and as a list of pods: either members that are valid and written back
// as they were, or a refusal that says why and does not repeat the text.
#include "runtime/pods_net/allow_list.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/join_string.hpp"

#include "runtime/base/base64url.hpp"
#include "runtime/base/checksum.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <cstdio>
#include <set>
#include <span>
#include <string>

using namespace tayfa;
using namespace tayfa::pods;

namespace {

void read_join(const std::string& text) {
  const auto join = read_join_string(text);
  if (!join) {
    fuzz::require(join.error().code == errc::bad_usage && !join.error().text.empty(),
                  "a join string that is refused says why");
    return;
  }
  fuzz::require(key_bytes(join->head_key).has_value() &&
                    key_bytes(join->join_key.reveal()).has_value() && is_token_id(join->token),
                "its keys and its token are such");
  fuzz::require(!join->addresses.empty() && join->addresses.size() <= join_addresses_max,
                "it has an address");
  for (const auto& address : join->addresses) {
    fuzz::require(parse_tcp(address).has_value(), "its addresses are such");
  }
  const auto again = write_join_string(*join);
  fuzz::require(again.has_value(), "what was read can be written");
  const auto trimmed_size = again->reveal().size();
  fuzz::require(trimmed_size <= text.size() && text.find(again->reveal()) != std::string::npos,
                "and is what was read");
}

/// The bytes with the frame around them that makes them worth reading further.
void read_framed_join(std::string bytes) {
  bytes.insert(bytes.begin(), 1);
  const auto sum = crc32_of(bytes);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes += static_cast<char>(sum >> shift & 255U);
  }
  read_join("tayfa1:" + base64url_encode(std::as_bytes(std::span{bytes})));
}

void read_list(const std::string& text) {
  const auto list = allow_list::parse(text);
  if (!list) {
    fuzz::require(list.error().code == errc::bad_config && !list.error().text.empty(),
                  "a list that is refused says why");
    return;
  }
  fuzz::require(list->text() == text, "a list is written as it was read");
  std::set<std::string> keys;
  for (const auto& pod : list->pods()) {
    fuzz::require(keys.insert(pod.key).second && keys.insert(pod.name).second,
                  "keys and names stand once");
    fuzz::require(pod.next_key.empty() || keys.insert(pod.next_key).second,
                  "also those that are announced");
  }
  for (const auto& [key, id] : list->admitted_at(1'000)->keys) {
    const auto* pod = list->find(key);
    fuzz::require(id.empty() ? pod != nullptr && pod->trusted : pod == nullptr,
                  "only trusted pods and tokens are let in");
  }
}

void read_framed_list(const std::string& lines) {
  std::string text = "tayfa pods 1\n" + lines;
  if (text.back() != '\n') {
    text += '\n';
  }
  std::size_t count = 0;
  for (const char c : text) {
    count += c == '\n' ? 1 : 0;
  }
  char end[64];
  std::snprintf(end, sizeof end, "end %zu %08x\n", count - 1, crc32_of(text));
  read_list(text + end);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(bytes), size};
  read_join(text);
  read_framed_join(text);
  read_list(text);
  read_framed_list(text);
  return 0;
}
