-- Each request is the vote of another resident: FILE SKIP KIND PATH ORIGIN [RATE].
dofile(debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "common.lua")
function init(args)
  read_people(args[1], tonumber(args[2]))
  kind, path, origin = args[3], args[4], args[5]
  local rate = tonumber(args[6] or 0)
  pause = rate > 0 and math.floor(64000 / rate) or nil -- milliseconds between two requests of one of 64 connections
end
function request()
  at = at + 1
  if at > #people then wrk.thread:stop(); at = #people end
  local session, csrf, key = people[at]:match("(%S+) (%S+) (%S+)")
  if kind == "django" then
    return wrk.format("POST", path, { ["Cookie"] = "sessionid=" .. session .. "; csrftoken=" .. csrf,
      ["X-CSRFToken"] = csrf, ["Content-Type"] = "application/json" }, '{"option":' .. key .. '}')
  elseif kind == "page" then
    return wrk.format("POST", path, { ["Cookie"] = "sid=" .. session, ["Sec-Fetch-Site"] = "same-origin",
      ["Content-Type"] = "application/x-www-form-urlencoded", ["Accept-Language"] = "ru" },
      "csrf_token=" .. csrf .. "&key=" .. key .. "&q-1=" .. (at % 4 + 1))
  end
  return wrk.format("POST", path, { ["Cookie"] = "sid=" .. session, ["X-CSRF-Token"] = csrf, ["Origin"] = origin,
    ["Idempotency-Key"] = key, ["Content-Type"] = "application/json" }, '{"answers":{"1":' .. (at % 4 + 1) .. '}}')
end
function delay() return pause or 0 end
