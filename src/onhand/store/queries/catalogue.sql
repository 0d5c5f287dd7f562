-- What there is: items as last stated.

-- query: items
-- in: after text, part text, n bigint
-- out: sku text, name text, kind text, status text, base_uom text, selling_uom text, units jsonb, lot_tracked boolean, serial_tracked boolean, shelf_life_days integer, category text, components jsonb, attributes jsonb
-- retry: safe
-- A part is looked for in SKU and name as it is written, in any case.
select sku, name, kind, status, base_uom, selling_uom, units, lot_tracked, serial_tracked, shelf_life_days, category, components,
       attributes
  from item
 where sku > $1 and ($2::text is null or position(lower($2) in lower(sku)) > 0 or position(lower($2) in lower(name)) > 0)
 order by sku limit $3;

-- query: item
-- in: sku text
-- out: sku text, name text, kind text, status text, base_uom text, selling_uom text, units jsonb, lot_tracked boolean, serial_tracked boolean, shelf_life_days integer, category text, components jsonb, attributes jsonb
-- retry: safe
select sku, name, kind, status, base_uom, selling_uom, units, lot_tracked, serial_tracked, shelf_life_days, category, components,
       attributes
  from item where sku = $1;
