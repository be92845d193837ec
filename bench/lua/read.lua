-- Pages by turns of residents, or of one visitor: FILE SKIP PATH [ETAG]. FILE «-» is nobody signed in.
dofile(debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "common.lua")
looked = 1
function init(args)
  path, tag, anonymous = args[3], args[4], args[1] == "-"
  if not anonymous then read_people(args[1], tonumber(args[2])) end
  plain = wrk.format("GET", path, { ["Accept-Language"] = "ru", ["If-None-Match"] = tag })
end
function request()
  if anonymous then return plain end
  at = at % #people + 1
  return wrk.format("GET", path, { ["Cookie"] = "sid=" .. people[at]:match("(%S+)"), ["Accept-Language"] = "ru" })
end
function response(status) -- a page is 200 or 304; a redirect to the sign-in page is none, nor is a 503
  if status == 200 or status == 304 then ok = ok + 1 else wrong = wrong + 1; odd = status end
end
