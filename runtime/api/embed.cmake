# cmake -DIN=openapi_prose.json -DOUT=openapi_prose.cpp -P embed.cmake: the prose as a constant of the program.
file(READ ${IN} text)
string(FIND "${text}" ")openapi\"" clash)
if(NOT clash EQUAL -1)
  message(FATAL_ERROR "${IN} has the end of a raw string in it")
endif()
file(WRITE ${OUT} "#include \"runtime/api/openapi.hpp\"\n
namespace tayfa::api {\n
std::string_view openapi_prose() {
  return R\"openapi(${text})openapi\";
}\n
} // namespace tayfa::api\n")
