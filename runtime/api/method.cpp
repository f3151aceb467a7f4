#include "runtime/api/method.hpp"

#include <algorithm>
#include <array>

namespace tayfa::api {

namespace {

constexpr std::array<std::string_view, 10> known{"GET",     "HEAD",  "POST",    "PUT",   "DELETE",
                                                 "OPTIONS", "TRACE", "CONNECT", "PATCH", "QUERY"};

bool lists(std::string_view methods, std::string_view method) {
  constexpr std::string_view mark = ", ";
  while (!methods.empty()) {
    const std::size_t end = std::min(methods.find(mark), methods.size());
    if (methods.substr(0, end) == method) {
      return true;
    }
    methods.remove_prefix(std::min(end + mark.size(), methods.size()));
  }
  return false;
}

} // namespace

bool is_known_method(std::string_view method) {
  return std::find(known.begin(), known.end(), method) != known.end();
}

bool takes(std::string_view methods, std::string_view method) {
  return method == "OPTIONS" || lists(methods, method == "HEAD" ? "GET" : method);
}

std::string allowed(std::string_view methods) {
  std::string out;
  for (const std::string_view method : known) {
    if (takes(methods, method)) {
      out.append(out.empty() ? "" : ", ").append(method);
    }
  }
  return out;
}

} // namespace tayfa::api
