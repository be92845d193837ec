"""What the city is shown: the one visibility gate, tables, disclosure control, charts and exports."""
