-- Each request is the vote of another resident: FILE SKIP KIND PATH ORIGIN [RATE] [LOOK].
-- Requests are made before the load begins. LOOK: whether a 503 is to be told from other answers.
dofile(debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "common.lua")
function init(args)
  read_people(args[1], tonumber(args[2]))
  local kind, path, origin = args[3], args[4], args[5]
  local rate = tonumber(args[6] or 0)
  if rate > 0 then -- milliseconds between two requests of one of 64 connections
    local pause = math.floor(64000 / rate)
    delay = function() return pause end
  end
  if args[7] == "look" then look_at_answers() end
  for n = 1, #people do people[n] = vote(kind, path, origin, n, people[n]:match("(%S+) (%S+) (%S+)")) end
end
function vote(kind, path, origin, n, session, csrf, key)
  if kind == "django" then
    return wrk.format("POST", path, { ["Cookie"] = "sessionid=" .. session .. "; csrftoken=" .. csrf,
      ["X-CSRFToken"] = csrf, ["Content-Type"] = "application/json" }, '{"option":' .. key .. '}')
  elseif kind == "page" then
    return wrk.format("POST", path, { ["Cookie"] = "sid=" .. session, ["Sec-Fetch-Site"] = "same-origin",
      ["Content-Type"] = "application/x-www-form-urlencoded", ["Accept-Language"] = "ru" },
      "csrf_token=" .. csrf .. "&key=" .. key .. "&q-1=" .. (n % 4 + 1))
  end
  return wrk.format("POST", path, { ["Cookie"] = "sid=" .. session, ["X-CSRF-Token"] = csrf, ["Origin"] = origin,
    ["Idempotency-Key"] = key, ["Content-Type"] = "application/json" }, '{"answers":{"1":' .. (n % 4 + 1) .. '}}')
end
function request()
  at = at + 1
  if at > #people then wrk.thread:stop(); at = #people end
  return people[at]
end
