// The OpenAPI 3.1 document of the API: openapi.json, embedded when it is built.
#pragma once

#include <string_view>

namespace tayfa::api {

std::string_view openapi_text();

} // namespace tayfa::api
