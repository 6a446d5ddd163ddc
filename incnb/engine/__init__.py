"""The only place that knows all the rooms: decides, records, replays."""
