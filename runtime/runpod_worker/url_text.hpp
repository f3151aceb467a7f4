// Expands RunPod's URL templates, quoting as the SDK's HTTP libraries do (yarl for jobs, requests
// for pings). Pure; only runtime/runpod_worker uses it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace tayfa::runpod {

/// "$ID" and its replacement.
struct variable {
  std::string_view name;
  std::string_view value;
};

/// Replaces every variable by its value in one pass, so that values are not searched for variables.
/// A value is percent-encoded where it would otherwise not stay one part of the URL; safe
/// characters stay byte for byte. In the template only characters that no URL may hold are encoded;
/// a space after the `?` becomes `query_space`.
std::string expand(std::string_view url_template, std::initializer_list<variable>,
                   std::string_view query_space = "+");

/// Appends `key=value` to the URL's query: with `&` when there is a `?` anywhere, even as the last
/// character, because the SDK does so; else with `?`.
void add_query(std::string& url, std::string_view key, std::string_view value);
/// The same as the library requests does it: an empty query takes no `&`.
void add_parameter(std::string& url, std::string_view key, std::string_view value);

/// Form encoding: letters, digits and `_.-~` stay, a space becomes `+`, the rest is
/// percent-encoded.
std::string form_encoded(std::string_view text);

} // namespace tayfa::runpod
