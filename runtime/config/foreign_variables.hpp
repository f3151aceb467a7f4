// Recognizes environment variables that a container platform, not the owner, has set under names
// that begin like ours: platforms set some for each service, and a service may have any name.
//
//   Kubernetes, for each Service of the namespace (and Docker's links, in part):
//     NAME_SERVICE_HOST=10.96.0.7   NAME_SERVICE_PORT=8000   NAME_SERVICE_PORT_API=8000
//     NAME_PORT=tcp://10.96.0.7:8000
//     NAME_PORT_8000_TCP=tcp://10.96.0.7:8000   …_ADDR=10.96.0.7   …_PORT=8000   …_PROTO=tcp
//   Docker's links (--link, links: in a compose file):
//     ALIAS_NAME=/web/alias   ALIAS_ENV_WHATEVER=…, beside an ALIAS_PORT…
//
// Name and value together are matched, so that an owner's misspelling is still reported.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// True for "tcp://10.0.0.1:8000", also udp and sctp, with an IPv6 address with or without
/// brackets: a platform's format, which no setting of ours has.
bool is_service_address(std::string_view value);

/// True when a platform has set name=value, judged by the whole environment (entries "NAME=value").
bool is_written_by_platform(std::string_view name, std::string_view value,
                            std::span<const std::string> environment);

} // namespace tayfa
