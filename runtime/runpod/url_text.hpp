// URLs out of RunPod's templates, quoted as the SDK's HTTP libraries quote them (yarl for jobs,
// requests for pings). Pure; only runtime/runpod uses it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace tayfa::runpod {

/// "$ID" and what stands there instead.
struct variable {
  std::string_view name;
  std::string_view value;
};

/// The template with every variable replaced by its value, in one pass, so that no value is
/// searched for variables. A value is percent-encoded where it would not stay one part of the
/// URL; what is safe stays as it is, byte for byte. In the template itself only what no URL may
/// hold is encoded; a space behind the `?` becomes `query_space`.
std::string expand(std::string_view url_template, std::initializer_list<variable>,
                   std::string_view query_space = "+");

/// `key=value` behind the URL's query: with `&` when there is a `?` anywhere, even as the last
/// character, because that is what the SDK sends; with `?` when there is none.
void add_query(std::string& url, std::string_view key, std::string_view value);
/// The same as requests does it: an empty query takes no `&`.
void add_parameter(std::string& url, std::string_view key, std::string_view value);

/// As in a form: letters, digits and `_.-~` stay, a space becomes `+`, the rest percent-encoded.
std::string form_encoded(std::string_view text);

} // namespace tayfa::runpod
